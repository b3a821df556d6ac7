// The texts about parts of time: which is shown, how one moves through it, and what happened in it.
import { clock, count, day, minute } from "../format.ts";
import { ranges } from "../strings.ts";
import type { Range, Zoom } from "../route.ts";

const DAY = 86_400_000;
const MINUTES = 600_000;

/** The part of time that is shown, in words. */
export function spanName(range: Range, zoom: Zoom | null): string {
  if (!zoom) return ranges[range].name;
  const [from, to] = zoom;
  const edge = to - from > MINUTES ? minute : clock;
  if (to - from > 2 * DAY) return `${day(from)} to ${day(to)}`;
  return day(from) === day(to) ? `${day(from)}, ${edge(from)} to ${edge(to)}` : `${day(from)}, ${edge(from)} to ${day(to)}, ${edge(to)}`;
}

export const time = {
  steps: "Move through time",
  back: "Earlier",
  on: "Later",
  closer: "Closer",
  wider: "Wider",
  happened: (number: number) => (number === 0 ? "Nothing happened in this time." : `${count(number, "event")} in this time`),
  hint: "Drag over a chart to look closer, click to see what ran then.",
  instant: (text: string) => `At ${text}`,
  instantPick: "Look at an instant",
  leave: "Back to now",
  processes: "What ran",
  processesNone: "Nothing is known of that instant: no agent reported then.",
  processHeadings: { server: "Server", cpu: "CPU", memory: "Memory", threads: "Threads", files: "Open files", reads: "Read", writes: "Written" },
  machineThen: "The machine then",
  around: "What happened around it",
  aroundNone: "Nothing within five minutes of it.",
  thenState: "at that instant",
};
