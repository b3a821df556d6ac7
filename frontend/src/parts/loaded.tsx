// Something that is asked of the hub when it comes into sight, and again after each change made here.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { connection } from "../store.ts";
import { settings } from "../strings/people.ts";

export type Loaded<T> = { value: Signal<T | null>; fault: Signal<string>; again: () => void };

/** Ask at first, with each new connection, and when `again` is called. */
export function useLoaded<T>(question: () => Promise<T>): Loaded<T> {
  const value = useSignal<T | null>(null);
  const fault = useSignal("");
  const turn = useSignal(0);
  useEffect(() => {
    let mine = true;
    void question()
      .then((answer) => {
        if (!mine) return;
        value.value = answer;
        fault.value = "";
      })
      .catch((failed: unknown) => {
        if (mine) fault.value = failed instanceof Refusal ? failed.message : settings.failed;
      });
    return () => {
      mine = false;
    };
  }, [connection.value, turn.value]);
  return { value, fault, again: () => (turn.value += 1) };
}

/** A part of the page with its title, what can be done at its head, and its content once that is there. */
export function Section<T>({ title, loaded, head, children }: { title: string; loaded: Loaded<T>; head?: ComponentChildren; children: (value: T) => ComponentChildren }) {
  const { value, fault } = loaded;
  return (
    <section class="block">
      <div class="block-head">
        <h2>{title}</h2>
        {head}
      </div>
      <div class="sheet">
        {fault.value && (
          <p class="empty" role="alert">
            {fault.value}
          </p>
        )}
        {value.value === null ? !fault.value && <p class="empty">{settings.loading}</p> : children(value.value)}
      </div>
    </section>
  );
}
