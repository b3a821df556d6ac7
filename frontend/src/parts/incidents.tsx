// Incidents as rows: what, where, since when, who has it; and what one can do about it without leaving the row.
import { useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { Incident } from "../api/types.ts";
import { duration, when } from "../format.ts";
import { incidentPath, machinePath, serverPath } from "../route.ts";
import { now } from "../store.ts";
import { GRAVITY, incidents as words, STATES } from "../strings/incidents.ts";
import { alerts, quietUntil, takeIncident } from "../watch.ts";
import { mayAct, useActing } from "./acting.ts";
import { AssignDialog } from "./assigning.tsx";
import { scopesOf, SilenceDialog } from "./silencing.tsx";
import { Mark, type Standing } from "./state.tsx";
import { Moment } from "./time.tsx";

/** How an incident stands: its gravity while somebody has to act, quiet as soon as nobody has to. */
export function incidentStanding(one: Incident): Standing {
  if (one.state === "resolved") return { shape: "disc", tone: "good", word: STATES.resolved };
  const tone = one.state === "acknowledged" ? "quiet" : one.severity === "critical" ? "bad" : one.severity === "warning" ? "warn" : "quiet";
  const shape = one.severity === "critical" ? "cross" : one.severity === "warning" ? "triangle" : "dot";
  return { shape, tone, word: one.state === "acknowledged" ? STATES.acknowledged : GRAVITY[one.severity] };
}

export function IncidentRows({ list, acts = true }: { list: Incident[]; acts?: boolean }) {
  return (
    <ul class="incidents">
      {list.map((one) => (
        <Row key={one.id} one={one} acts={acts && one.state !== "resolved"} />
      ))}
    </ul>
  );
}

function Row({ one, acts }: { one: Incident; acts: boolean }) {
  const standing = incidentStanding(one);
  const quiet = one.state === "resolved" ? 0 : quietUntil(one);
  const calm = one.state !== "open" || quiet > 0;
  return (
    <li data-incident={one.id} data-state={one.state} class={calm ? "calm" : ""}>
      <span class={`state ${standing.tone}`}>
        <Mark shape={standing.shape} tone={standing.tone} />
        <span class="word">{standing.word}</span>
      </span>
      <div class="told-of">
        <a class="title" href={incidentPath(one.id)}>
          {one.title}
        </a>
        <p class="beneath">
          {one.drill && <b>{words.drill} · </b>}
          <Where machine={one.machine} server={one.server} />
          {one.alerts.length > 1 && <span>{words.alerts(one.alerts.length)}</span>}
          <Hands one={one} />
          {quiet > 0 && <span>{words.silencedUntil(when(quiet, now.value))}</span>}
        </p>
      </div>
      <span class="age">
        {one.state === "resolved" ? (
          <>
            <Moment at={one.opened_at} />
            <small>{words.lasted(duration((one.resolved_at - one.opened_at) / 1000))}</small>
          </>
        ) : (
          <>
            {duration((now.value - one.opened_at) / 1000)}
            <small>
              {words.since} <Moment at={one.opened_at} />
            </small>
          </>
        )}
      </span>
      {acts && mayAct() && <IncidentActs one={one} />}
    </li>
  );
}

export function Where({ machine, server }: { machine: string; server: string }) {
  if (!machine) return null;
  return (
    <span>
      {server && (
        <>
          <a href={serverPath(machine, server)}>{server}</a> ·{" "}
        </>
      )}
      <a href={machinePath(machine)}>{machine}</a>
    </span>
  );
}

function Hands({ one }: { one: Incident }) {
  if (one.state === "acknowledged") return <span>{words.takenBy(one.acknowledged_by)}</span>;
  return one.assigned_to ? <span>{words.assignedTo(one.assigned_to)}</span> : null;
}

/** Acknowledge, silence, assign: the one that matters first, and large enough for a thumb. */
export function IncidentActs({ one }: { one: Incident }) {
  const acting = useActing();
  const open = useSignal<"" | "silence" | "assign">("");
  const mine = (alerts.value ?? []).filter((alert) => alert.incident === one.id);
  const scopes = scopesOf(mine, one.machine, one.server);
  const close = () => (open.value = "");
  return (
    <div class="acts">
      <div class="buttons">
        {one.state === "open" ? (
          <button
            type="button"
            class="chief"
            aria-label={words.acknowledgeThis(one.title)}
            disabled={acting.busy.value}
            onClick={() => void acting.run(async () => takeIncident(await hub.acknowledge(one.id)))}
          >
            {words.acknowledge}
          </button>
        ) : (
          <button
            type="button"
            class="plain"
            aria-label={words.takeBackThis(one.title)}
            disabled={acting.busy.value}
            onClick={() => void acting.run(async () => takeIncident(await hub.handBack(one.id)))}
          >
            {words.takeBack}
          </button>
        )}
        {scopes.length > 0 && (
          <button type="button" class="plain" aria-haspopup="dialog" aria-label={words.silenceThis(one.title)} onClick={() => (open.value = "silence")}>
            {words.silence}
          </button>
        )}
        <button type="button" class="plain assign" aria-haspopup="dialog" onClick={() => (open.value = "assign")}>
          {words.assign}
        </button>
      </div>
      {acting.refused.value && (
        <p class="bad" role="alert">
          {words.refused} {acting.refused.value}
        </p>
      )}
      {open.value === "silence" && <SilenceDialog title={one.title} scopes={scopes} no={close} />}
      {open.value === "assign" && <AssignDialog incident={one} no={close} />}
    </div>
  );
}
