// The texts of long lists of machines and servers.
import { count } from "../format.ts";

export const fleet = {
  find: "Find machines and servers",
  findHint: "Find: name, state, system ( / )",
  states: "Show only",
  tones: { bad: "down", warn: "in between", quiet: "not known or stopped", good: "up" },
  found: (number: number) => (number === 0 ? "Nothing fits" : `${count(number, "line")} ${number === 1 ? "fits" : "fit"}`),
  none: "Nothing here fits what you look for.",
  lastHour: "CPU, last hour",
  spark: (now: string, most: string) => `CPU over the last hour: now ${now}, at most ${most}`,
  sparkNone: "CPU over the last hour: not known",
  changed: "What changed",
};
