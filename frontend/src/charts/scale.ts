// Where a chart's axis ends and what stands beside it: always from zero, to a round number that halves well.
import type { Unit } from "../format.ts";

const DECIMAL = [1, 2, 4, 6, 8, 10];
const RATIO = [0.1, 0.2, 0.5, 1];

/** The round top for figures up to `most`; `whole` keeps a ratio at 100 %. */
export function top(most: number, unit: string, whole: boolean): number {
  const wanted = Number.isFinite(most) && most > 0 ? most : 0;
  switch (unit as Unit) {
    case "ratio":
      if (whole) return Math.max(1, wanted);
      return RATIO.find((step) => wanted <= step) ?? Math.ceil(wanted);
    case "bytes":
      return binary(wanted);
    case "count":
      return Math.max(2, decimal(wanted));
    case "bytes_per_second":
      return Math.max(1000, decimal(wanted));
    case "seconds":
      return Math.max(0.002, decimal(wanted));
    default:
      return Math.max(2, decimal(wanted));
  }
}

function decimal(wanted: number): number {
  if (wanted === 0) return 0;
  const size = 10 ** Math.floor(Math.log10(wanted));
  return (DECIMAL.find((step) => wanted <= step * size * (1 + 1e-9)) ?? 10) * size;
}

function binary(wanted: number): number {
  let size = 1024;
  while (size * 1024 <= wanted) size *= 1024;
  for (let step = 1; step <= 1024; step *= 2) {
    if (wanted <= step * size) return step * size;
    if (wanted <= step * 1.5 * size && step >= 2) return step * 1.5 * size;
  }
  return 1024 * size;
}
