// When the server ended and began, and why: the reason of each end beside how long it had run.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { Event } from "../api/types.ts";
import { duration } from "../format.ts";
import { pick } from "../route.ts";
import { connection, events, withEvent } from "../store.ts";
import { server as words } from "../strings.ts";
import { Severity } from "./state.tsx";
import { Moment } from "./time.tsx";

const FETCHED = 60;
const SHOWN = 6;

export type End = { event: Event; ran: number };

/** Ends, newest first, each with how long it had run before (ms; 0: not known). */
export function endsOf(list: Event[]): End[] {
  return list.flatMap((event, index) => {
    if (event.kind === "server_started") return [];
    const begun = event.kind === "server_exited" || event.kind === "server_stopped" ? list.slice(index + 1).find((one) => one.kind === "server_started") : undefined;
    return [{ event, ran: begun ? event.at - begun.at : 0 }];
  });
}

const KINDS = new Set(["server_exited", "server_start_failed", "server_stopped", "server_started", "server_hung", "machine_rebooted"]);

export function Restarts({ machine, server }: { machine: string; server: string }) {
  const fetched = useSignal<Event[] | null>(null);
  useEffect(() => {
    let mine = true;
    void hub
      .ends(machine, server, FETCHED)
      .then((page) => {
        if (mine) fetched.value = page.events;
      })
      .catch(() => undefined); // asked again with the next connection
    return () => {
      mine = false;
    };
  }, [machine, server, connection.value]);
  const newer = events.value?.filter((event) => event.machine === machine && event.server === server && KINDS.has(event.kind)) ?? [];
  const list = endsOf(newer.reduce(withEvent, fetched.value ?? [])).slice(0, SHOWN);
  if (list.length === 0) return null;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.restarts}</h2>
      </header>
      <ol class="sheet events">
        {list.map(({ event, ran }) => (
          <li key={event.id} data-kind={event.kind}>
            <Severity severity={event.severity} />
            <span class="what">
              {event.text}
              {ran > 0 && <small> {words.ran(duration(ran / 1000))}</small>}
            </span>
            <button type="button" class="link" onClick={() => pick(event.at)}>
              <Moment at={event.at} />
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
