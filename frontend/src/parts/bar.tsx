// A ratio as a plain bar with its figure: one colour until a limit is passed, and a dash when it is not known.
import { figure, type Known } from "../format.ts";

const TIGHT = 0.85;
const FULL = 0.95;

function tone(ratio: number): string {
  return ratio >= FULL ? "bad" : ratio >= TIGHT ? "warn" : "even";
}

/** `limits` are off where a high figure is no fault, such as a busy processor. */
export function Bar({ ratio, label, limits = false }: { ratio: Known; label: string; limits?: boolean }) {
  const known = ratio !== null && ratio !== undefined;
  const width = { transform: `scaleX(${known ? Math.min(1, Math.max(0, ratio)) : 0})` };
  return (
    <span class="bar">
      <span class={known ? "track" : "track none"} aria-hidden="true">
        <span class={`fill ${known && limits ? tone(ratio) : "even"}`} style={width} />
      </span>
      <span class="value" title={label}>
        {figure(ratio, "ratio")}
      </span>
    </span>
  );
}
