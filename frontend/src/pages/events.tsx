// All that happened lately, on every machine.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { Event } from "../api/types.ts";
import { connection, events, withEvent } from "../store.ts";
import { frame } from "../strings.ts";
import { Events } from "../parts/events.tsx";

const LISTED = 200;

export function EventsPage() {
  const fetched = useSignal<Event[] | null>(null);
  useEffect(() => {
    let mine = true;
    void hub
      .events("", "", LISTED)
      .then((page) => {
        if (mine) fetched.value = page.events;
      })
      .catch(() => undefined); // asked again with the next connection
    return () => {
      mine = false;
    };
  }, [connection.value]);
  const list = fetched.value && (events.value ?? []).reduce(withEvent, fetched.value);
  return (
    <>
      <h1>{frame.events}</h1>
      <div class="sheet">
        <Events list={list} />
      </div>
    </>
  );
}
