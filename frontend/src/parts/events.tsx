// A list of what happened, newest first.
import type { Event } from "../api/types.ts";
import { evidencePath, machinePath, serverPath } from "../route.ts";
import { machines } from "../store.ts";
import { overview } from "../strings.ts";
import { Severity } from "./state.tsx";
import { Moment } from "./time.tsx";

/** `of` is whose page this is: what all rows share is not said in each. */
export function Events({ list, of = "all" }: { list: Event[] | null; of?: "all" | "machine" | "server" }) {
  if (list === null) return <div class="waiting rows" aria-hidden="true" />;
  if (list.length === 0) return <p class="empty">{overview.noEvents}</p>;
  return (
    <ol class="events">
      {list.map((event) => (
        <li key={event.id} data-kind={event.kind}>
          <Severity severity={event.severity} />
          <span class="what">
            <Told event={event} of={of} />
            <Evidence event={event} />
          </span>
          <Moment at={event.at} />
        </li>
      ))}
    </ol>
  );
}

/** The way to what was saved before something was done. */
function Evidence({ event }: { event: Event }) {
  const id = event.facts["evidence"];
  if (!id) return null;
  return (
    <>
      {" "}
      <a href={evidencePath(event.machine, id)}>{overview.evidence}</a>
    </>
  );
}

/** The sentence; where it begins with the name of what it tells of, that name is the way there. */
function Told({ event, of }: { event: Event; of: "all" | "machine" | "server" }) {
  const name = event.server || event.machine;
  if (of === "server" || !name) return <>{event.text}</>;
  const link = <a href={event.server ? serverPath(event.machine, event.server) : machinePath(event.machine)}>{name}</a>;
  const many = of === "all" && event.server !== "" && (machines.value?.length ?? 0) > 1;
  return (
    <>
      {link}
      {event.text.startsWith(name) ? event.text.slice(name.length) : ` ${event.text}`}
      {many && <small> {event.machine}</small>}
    </>
  );
}
