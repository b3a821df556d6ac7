// What stands beside an incident: the charts at that time, the evidence, and who was told.
import type { EvidenceView, IncidentDetail, NotificationView } from "../api/types.ts";
import { evidencePath, pathAt, type Zoom } from "../route.ts";
import { now } from "../store.ts";
import { incident as words } from "../strings/incidents.ts";
import { Mark, type Tone } from "./state.tsx";
import { Moment } from "./time.tsx";

export const BEFORE = 15 * 60_000; // ms of charts before an incident,
export const AFTER = 5 * 60_000; // and after it

/** Where to look on: the charts at that time, of the machine and of the server. */
export function Ways({ detail }: { detail: IncidentDetail }) {
  const { incident } = detail;
  if (!incident.machine) return null;
  const end = incident.resolved_at > 0 ? incident.resolved_at + AFTER : Math.max(incident.opened_at + BEFORE, now.value);
  const part: Zoom = [incident.opened_at - BEFORE, end];
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.charts}</h2>
      </header>
      <ul class="sheet plain-list">
        <li>
          <a class="way" href={pathAt(incident.machine, "", part, incident.opened_at)}>
            {incident.machine}
          </a>
        </li>
        {incident.server && (
          <li>
            <a class="way" href={pathAt(incident.machine, incident.server, part, incident.opened_at)}>
              {incident.server}
            </a>
          </li>
        )}
      </ul>
    </section>
  );
}

export function Evidence({ list }: { list: EvidenceView[] }) {
  if (list.length === 0) return null;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.evidence}</h2>
      </header>
      <ul class="sheet plain-list">
        {list.map((one) => (
          <li key={one.id}>
            <a class="way" href={evidencePath(one.machine, one.id)}>
              {words.evidenceOf(one.server, one.why)}
            </a>
            <Moment at={one.at} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `list` null: not known yet. */
export function Told({ list }: { list: NotificationView[] | null }) {
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.told}</h2>
      </header>
      <ul class="sheet plain-list">
        {list === null && <li class="waiting rows" aria-hidden="true" />}
        {list?.length === 0 && <li class="empty">{words.toldNone}</li>}
        {list?.map((one) => {
          const tone: Tone = one.state === "delivered" ? "good" : one.state === "failed" ? "bad" : "quiet";
          return (
            <li key={one.id} class="notification">
              <div class="told-of">
                <span class={`state ${tone}`}>
                  <Mark shape={one.state === "delivered" ? "disc" : one.state === "failed" ? "cross" : "ring"} tone={tone} />
                  {one.channel}
                </span>
                <p class="beneath">
                  <span>{words.notifications[one.state]}</span>
                  {one.why && <span>{one.why}</span>}
                  <span>{one.subject}</span>
                </p>
              </div>
              <Moment at={one.ended_at || one.at} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
