// The hub's own part: who is signed in, which machines there are and what their agents cost, what is kept, who did what.
import { office } from "../api/people.ts";
import type { HubUpkeep } from "../api/types.ts";
import { figure } from "../format.ts";
import { machines } from "../store.ts";
import { audit, machinesHere, own, sessions, settings, upkeep } from "../strings/people.ts";
import { browserName } from "./account.tsx";
import { useActing } from "./acting.ts";
import { Refused } from "./form.tsx";
import { type Loaded, Section, useLoaded } from "./loaded.tsx";
import { Moment } from "./time.tsx";

export function SessionsSection() {
  const loaded = useLoaded(office.sessions);
  const acting = useActing();
  return (
    <Section title={settings.sessions} loaded={loaded}>
      {(list) => (
        <>
          {list.length === 0 && <p class="empty">{sessions.none}</p>}
          <ul class="plain-list" aria-label={settings.sessions}>
            {list.map((one) => (
              <li key={one.id}>
                <span class="who">
                  <b>{one.person}</b> <small class="quiet">{[browserName(one.browser), one.peer, one.method].filter(Boolean).join(", ")}</small>
                </span>
                <span class="do">
                  <small class="quiet">{one.mine ? own.here : <Moment at={one.seen_at} />}</small>
                  {!one.mine && (
                    <button type="button" class="link" aria-label={sessions.end(one.person)} onClick={() => void acting.run(() => office.endSession(one.id)).then(loaded.again)}>
                      {own.end}
                    </button>
                  )}
                </span>
              </li>
            ))}
          </ul>
          <Refused acting={acting} />
        </>
      )}
    </Section>
  );
}

export function MachinesSection({ loaded }: { loaded: Loaded<HubUpkeep> }) {
  return (
    <Section title={settings.machines} loaded={loaded}>
      {({ costs }) =>
        machines.value?.length ? (
          <div class="sideways">
            <table class="list">
              <thead>
                <tr>
                  <th scope="col">{machinesHere.heads.name}</th>
                  <th scope="col">{machinesHere.heads.state}</th>
                  <th scope="col" class="roomy">
                    {machinesHere.heads.agent}
                  </th>
                  <th scope="col" class="roomy">
                    {machinesHere.heads.seen}
                  </th>
                  <th scope="col" class="number">
                    {machinesHere.heads.cpu}
                  </th>
                  <th scope="col" class="number">
                    {machinesHere.heads.memory}
                  </th>
                </tr>
              </thead>
              <tbody>
                {machines.value.map((view) => {
                  const cost = costs.find((one) => one.program === "agent" && one.machine === view.machine.name);
                  return (
                    <tr key={view.machine.name}>
                      <th scope="row">{view.machine.name}</th>
                      <td>{view.connected ? machinesHere.joined : machinesHere.away}</td>
                      <td class="roomy">{view.machine.agent_version}</td>
                      <td class="roomy">
                        <Moment at={view.seen_at} />
                      </td>
                      <td class="number">{figure(cost?.cpu_ratio ?? null, "ratio")}</td>
                      <td class="number">{figure(cost?.memory_bytes ?? null, "bytes")}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        ) : (
          <p class="empty">{machinesHere.none}</p>
        )
      }
    </Section>
  );
}

export function UpkeepSection({ loaded }: { loaded: Loaded<HubUpkeep> }) {
  return (
    <Section title={settings.upkeep} loaded={loaded}>
      {({ version, series, store_bytes: bytes, retention, costs }) => {
        const hub = costs.find((one) => one.program === "hub");
        const facts: [string, string][] = [
          [upkeep.version, version],
          [upkeep.cpu, figure(hub?.cpu_ratio ?? null, "ratio")],
          [upkeep.memory, figure(hub?.memory_bytes ?? null, "bytes")],
          [upkeep.series, figure(series, "count")],
          [upkeep.store, figure(bytes, "bytes")],
        ];
        const kept: [string, string][] = [
          [upkeep.raw, upkeep.kept(retention.raw)],
          [upkeep.first, upkeep.kept(retention.first)],
          [upkeep.hourly, upkeep.kept(retention.hourly)],
          [upkeep.budget, figure(retention.budget_bytes, "bytes")],
          [upkeep.free, figure(retention.keep_free_bytes, "bytes")],
        ];
        return (
          <div class="standing">
            <Facts facts={facts} />
            <p class="quiet">{retention.elsewhere ? upkeep.elsewhere : upkeep.where}</p>
            <Facts facts={[...(retention.elsewhere ? [] : kept), [upkeep.journal, upkeep.kept(retention.journal)]]} />
          </div>
        );
      }}
    </Section>
  );
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl class="facts-grid">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function AuditSection() {
  const loaded = useLoaded(office.audit);
  return (
    <Section title={settings.audit} loaded={loaded}>
      {(list) =>
        list.length === 0 ? (
          <p class="empty">{audit.empty}</p>
        ) : (
          <ul class="plain-list" aria-label={settings.audit}>
            {list.map((one, place) => (
              // Entries have no name of their own, and their order stands.
              // oxlint-disable-next-line react/no-array-index-key -- the list is made anew as a whole and its places never move
              <li key={place}>
                <span class="who">
                  <b>{one.by}</b> {[one.what, one.about].filter(Boolean).join(" ")}{" "}
                  <small class="quiet">{[one.why, one.outcome, one.peer && audit.from(one.peer)].filter(Boolean).join(" · ")}</small>
                </span>
                <small class="quiet">
                  <Moment at={one.at} />
                </small>
              </li>
            ))}
          </ul>
        )
      }
    </Section>
  );
}
