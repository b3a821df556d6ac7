// A line of the last hour beside each machine's name: small, still, and the same scale for all, so that rows can be compared.
import { signal } from "@preact/signals";
import { hub, Refusal } from "../api/ask.ts";
import type { Sparks } from "../api/types.ts";
import { figure } from "../format.ts";
import { fleet } from "../strings/fleet.ts";

const WIDTH = 84;
const HEIGHT = 22;
const OFTEN = 60_000; // ms; each point is two minutes

/** The last hour of all machines, fetched in one answer. */
const sparks = signal<Sparks | null>(null);
let fetchedAt = Number.NEGATIVE_INFINITY;

/** Fetch them when they are old; called with every drawing of a list, so it must cost nothing when they are fresh. */
export function freshSparks(): void {
  if (document.hidden || performance.now() - fetchedAt < OFTEN) return;
  fetchedAt = performance.now();
  hub
    .sparks()
    .then((found) => {
      sparks.value = found;
    })
    .catch((fault: unknown) => {
      if (!(fault instanceof Refusal)) throw fault;
    });
}

/** The points of a polyline; a gap in the figures is a gap in the line. */
export function pathOf(values: (number | null)[]): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  let open = false;
  return values
    .map((value, index) => {
      if (value === null) {
        open = false;
        return "";
      }
      const letter = open ? "L" : "M";
      open = true;
      return `${letter}${(index * step).toFixed(1)} ${(HEIGHT - 1.5 - Math.min(1, value) * (HEIGHT - 3)).toFixed(1)}`;
    })
    .join("");
}

/** The last hour of one machine; undefined where nothing is known of it. */
export function lastHour(machine: string): (number | null)[] | undefined {
  return sparks.value?.machines[machine];
}

export function Spark({ values }: { values: (number | null)[] | undefined }) {
  const known = values?.filter((value) => value !== null) ?? [];
  const words = known.length === 0 ? fleet.sparkNone : fleet.spark(figure(known.at(-1), "ratio"), figure(Math.max(...known), "ratio"));
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={words}>
      <title>{words}</title>
      <path class="floor" d={`M0 ${HEIGHT - 1.5}H${WIDTH}`} />
      {values && known.length > 0 && <path class="line" d={pathOf(values)} />}
    </svg>
  );
}
