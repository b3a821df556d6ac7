// Questions in PromQL: Prometheus' own API of the hub, with figures as numbers instead of texts.
import { ask, query } from "./ask.ts";

export type Metric = Record<string, string>;
/** A series and its values: pairs of ms and figure. */
export type Found = { metric: Metric; values: [number, number][] };
export type Answer = { kind: "vector" | "matrix" | "scalar" | "string"; found: Found[]; text: string; warnings: string[] };

type Sample = [number, string];
type Envelope = {
  data: { resultType: Answer["kind"]; result: { metric: Metric; value?: Sample; values?: Sample[] }[] | Sample };
  warnings?: string[];
};

function pair([at, value]: Sample): [number, number] {
  return [Math.round(at * 1000), value === "+Inf" ? Infinity : value === "-Inf" ? -Infinity : Number(value)];
}

/** Put an envelope into plain words of ours. */
export function opened({ data, warnings = [] }: Envelope): Answer {
  const { resultType: kind, result } = data;
  if (kind === "scalar" || kind === "string") {
    const sample = result as Sample;
    return { kind, found: kind === "scalar" ? [{ metric: {}, values: [pair(sample)] }] : [], text: sample[1], warnings };
  }
  const series = result as { metric: Metric; value?: Sample; values?: Sample[] }[];
  return { kind, text: "", warnings, found: series.map((one) => ({ metric: one.metric, values: (one.values ?? (one.value ? [one.value] : [])).map(pair) })) };
}

export const prom = {
  /** The value at an instant (ms). */
  at: async (expression: string, at: number) => opened(await ask<Envelope>(`/api/v1/query${query({ query: expression, time: at / 1000 })}`)),
  /** The values from `start` to `end` (ms), every `step` seconds. */
  range: async (expression: string, start: number, end: number, step: number) =>
    opened(await ask<Envelope>(`/api/v1/query_range${query({ query: expression, start: start / 1000, end: end / 1000, step })}`)),
  /** The values of a label, or of `__name__` the names of all metrics. */
  values: async (label: string, match = "") =>
    (await ask<{ data: string[] }>(`/api/v1/label/${encodeURIComponent(label)}/values${query({ "match[]": match })}`)).data,
  labels: async (match: string) => (await ask<{ data: string[] }>(`/api/v1/labels${query({ "match[]": match })}`)).data,
  metadata: async () => (await ask<{ data: Record<string, { type: string; help: string }[]> }>("/api/v1/metadata")).data,
};

/** A text as PromQL quotes it. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A series as people write it, without what all share. */
export function written(metric: Metric, without: ReadonlySet<string> = new Set()): string {
  const name = without.has("__name__") ? "" : (metric["__name__"] ?? "");
  const labels = Object.entries(metric).filter(([label]) => label !== "__name__" && !without.has(label));
  const inside = labels.map(([label, value]) => `${label}=${quoted(value)}`).join(", ");
  return inside ? `${name}{${inside}}` : name || "{}";
}
