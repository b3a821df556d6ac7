// How fresh the page is, always in sight: live, reconnecting, or how old its data are.
import { freshness, now, spoke } from "../store.ts";
import { frame } from "../strings.ts";

const LATE = 3; // rounds of an agent without a word before its data count as old

/** The age of the newest data in seconds, when that is worth a word; else 0. */
function staleness(): number {
  if (freshness.value === "reconnecting") return 0; // the banner says it then
  const { at, every } = spoke.value;
  if (at === 0) return 0;
  const age = (now.value - at) / 1000;
  return age > Math.max(10, LATE * every) ? age : 0;
}

export function Freshness() {
  const age = staleness();
  const state = freshness.value === "live" && age > 0 ? "old" : freshness.value;
  const word = state === "live" ? frame.live : state === "connecting" ? frame.connecting : state === "reconnecting" ? frame.reconnecting : "";
  return (
    <p class={`freshness ${state}`}>
      <span class="lamp" aria-hidden="true" />
      <span role="status">{word}</span>
      {age >= 1 && <span class="age">{frame.old(age)}</span>}
    </p>
  );
}
