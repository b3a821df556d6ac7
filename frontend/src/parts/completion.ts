// What may come next in a question: metrics, functions, labels and their values, from what stands before the cursor.

export type Setting =
  | { kind: "name"; word: string; from: number }
  | { kind: "label"; word: string; from: number; metric: string }
  | { kind: "value"; word: string; from: number; metric: string; label: string }
  | { kind: "none" };

export const FUNCTIONS = [
  "abs", "absent", "absent_over_time", "avg", "avg_over_time", "bottomk", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "count",
  "count_over_time", "count_values", "day_of_week", "delta", "deriv", "exp", "floor", "group", "histogram_quantile", "holt_winters", "hour",
  "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time", "ln", "log10", "log2", "max", "max_over_time", "min",
  "min_over_time", "predict_linear", "present_over_time", "quantile", "quantile_over_time", "rate", "resets", "round", "scalar", "sort",
  "sort_desc", "sqrt", "stddev", "stddev_over_time", "sum", "sum_over_time", "time", "timestamp", "topk", "vector",
]; // prettier-ignore
const AGGREGATES = new Set(["sum", "avg", "min", "max", "count", "topk", "bottomk", "quantile", "stddev", "group", "count_values"]);
const WORDS = ["by", "without", "offset", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool"];

/** What is being written at the cursor. */
export function settingOf(text: string, cursor: number): Setting {
  const before = text.slice(0, cursor);
  const quotes = (before.match(/(?<!\\)"/g) ?? []).length;
  if (quotes % 2 === 1) {
    const value = /([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)$/.exec(before);
    const metric = /([A-Za-z_:][\w:]*)\s*\{[^{}]*$/.exec(before);
    if (!value) return { kind: "none" };
    return { kind: "value", word: value[2] ?? "", from: cursor - (value[2] ?? "").length, metric: metric?.[1] ?? "", label: value[1] ?? "" };
  }
  const word = /[A-Za-z_:][\w:]*$/.exec(before)?.[0] ?? "";
  const open = /([A-Za-z_:][\w:]*)?\s*\{[^{}]*$/.exec(before);
  if (open) return { kind: "label", word, from: cursor - word.length, metric: open[1] ?? "" };
  const grouped = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*$/.exec(before);
  if (grouped) return { kind: "label", word, from: cursor - word.length, metric: "" };
  if (/\[[^\]]*$/.test(before)) return { kind: "none" };
  return word === "" ? { kind: "none" } : { kind: "name", word, from: cursor - word.length };
}

export type Choice = { text: string; shown: string; about: string };

/** The choices that fit a word: those that begin with it first, then those that hold it. */
export function fitting(word: string, all: string[], most: number): string[] {
  const low = word.toLowerCase();
  const begins: string[] = [];
  const holds: string[] = [];
  for (const one of all) {
    const place = one.toLowerCase().indexOf(low);
    if (one === word || place < 0) continue;
    if (place === 0) begins.push(one);
    else holds.push(one);
  }
  return [...begins, ...holds].slice(0, most);
}

/** What stands in for a chosen name: a function opens its bracket. */
export function chosenName(name: string): string {
  if (!FUNCTIONS.includes(name)) return name;
  return AGGREGATES.has(name) ? `${name} (` : `${name}(`;
}

export function isWord(name: string): boolean {
  return FUNCTIONS.includes(name) || WORDS.includes(name);
}

export const NAMES = [...FUNCTIONS, ...WORDS];
