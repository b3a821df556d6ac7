// One act of a person at a time: whether it is under way, and what the hub said against it.
import { type Signal, useSignal } from "@preact/signals";
import { Refusal } from "../api/ask.ts";
import { person } from "../store.ts";

export type Acting = { busy: Signal<boolean>; refused: Signal<string>; run: (act: () => Promise<unknown>) => Promise<boolean> };

/** Whether the reader may act here at all. */
export function mayAct(): boolean {
  const role = person.value?.role;
  return role !== undefined && role !== "viewer";
}

/** `run` does something and tells whether it was done; what was refused stays in `refused` until the next try. */
export function useActing(): Acting {
  const busy = useSignal(false);
  const refused = useSignal("");
  async function run(act: () => Promise<unknown>): Promise<boolean> {
    if (busy.peek()) return false;
    refused.value = "";
    busy.value = true;
    try {
      await act();
      return true;
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      refused.value = `${fault.message} ${fault.hint}`.trim();
      return false;
    } finally {
      busy.value = false;
    }
  }
  return { busy, refused, run };
}
