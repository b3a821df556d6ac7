// A list of what happened, newest first.
import type { Event } from "../api/types.ts";
import { machinePath, serverPath } from "../route.ts";
import { machines } from "../store.ts";
import { overview } from "../strings.ts";
import { Severity } from "./state.tsx";
import { Moment } from "./time.tsx";

/** `about` says whether each row names its server: not on the server's own page. */
export function Events({ list, about = true }: { list: Event[] | null; about?: boolean }) {
  if (list === null) return <div class="waiting rows" aria-hidden="true" />;
  if (list.length === 0) return <p class="empty">{overview.noEvents}</p>;
  return (
    <ol class="events">
      {list.map((event) => (
        <li key={event.id} data-kind={event.kind}>
          <Severity severity={event.severity} />
          <span class="what">
            {about && <Subject event={event} />}
            {event.text}
          </span>
          <Moment at={event.at} />
        </li>
      ))}
    </ol>
  );
}

function Subject({ event }: { event: Event }) {
  const many = (machines.value?.length ?? 0) > 1;
  if (event.server) {
    return (
      <>
        <a href={serverPath(event.machine, event.server)}>{many ? `${event.machine}/${event.server}` : event.server}</a>{" "}
      </>
    );
  }
  if (!event.machine) return null;
  return (
    <>
      <a href={machinePath(event.machine)}>{event.machine}</a>{" "}
    </>
  );
}
