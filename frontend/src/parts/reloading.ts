// How a page keeps what it shows true: it asks at first and after each change, one question at a time.
// A change that comes while one is asked is looked at afterwards; it never throws the answer away, or a storm of changes would
// keep a page empty for as long as it lasts.
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Refusal } from "../api/ask.ts";

const AGAIN = 3000; // ms after a refusal

/** Have `load` called for `place`, after every change of `turn`, and each `every` ms while somebody looks (0: not).
 * The words of the last refusal, empty when it went well. */
export function useReloading(load: (isShown: () => boolean) => Promise<void>, place: string, turn: string, every = 0): ReadonlySignal<string> {
  const refused = useSignal("");
  const look = useRef<() => void>(() => undefined);
  const loads = useRef(load);
  loads.current = load;
  useEffect(() => {
    const state = { shown: true, busy: false, stale: false };
    let again: ReturnType<typeof setTimeout> | undefined;
    const isShown = () => state.shown;

    async function once(): Promise<void> {
      try {
        await loads.current(isShown);
        if (state.shown) refused.value = "";
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault;
        if (!state.shown) return;
        refused.value = `${fault.message} ${fault.hint}`.trim();
        again = setTimeout(retry, AGAIN);
      }
    }

    /** Ask again, once somebody looks. */
    function retry(): void {
      if (document.hidden) again = setTimeout(retry, AGAIN);
      else look.current();
    }

    async function run(): Promise<void> {
      state.stale = true;
      if (state.busy) return;
      state.busy = true;
      clearTimeout(again);
      try {
        while (state.shown && state.stale) {
          state.stale = false;
          await once(); // oxlint-disable-line no-await-in-loop -- one after the other is the point
        }
      } finally {
        state.busy = false;
      }
    }

    look.current = () => void run();
    return () => {
      state.shown = false;
      clearTimeout(again);
    };
  }, [place]);
  useEffect(() => look.current(), [place, turn]);
  useEffect(() => {
    if (every === 0) return undefined;
    const clock = setInterval(() => {
      if (!document.hidden) look.current();
    }, every);
    return () => clearInterval(clock);
  }, [every]);
  return refused;
}
