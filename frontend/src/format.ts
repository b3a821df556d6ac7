// Figures as people read them. Base units come in, short texts go out; "not known" is a dash, never 0.
// Times are shown in the viewer's zone; `utc` is what stands behind them on hover.

export const NONE = "–";
const GAP = "\u00a0"; // unbreakable, between a number and its unit

export type Unit = "ratio" | "bytes" | "bytes_per_second" | "seconds" | "count" | "per_second";
export type Known = number | null | undefined;

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB"];

/** A figure in its unit: "12 %", "7.42 GiB", "340 kB/s", "3.1 ms". */
export function figure(value: Known, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  switch (unit as Unit) {
    case "ratio":
      return percent(value);
    case "bytes":
      return scaled(value, BINARY, 1024);
    case "bytes_per_second":
      return `${scaled(value, DECIMAL, 1000)}/s`;
    case "seconds":
      return span(value);
    case "per_second":
      return `${plain(value)}${GAP}/s`;
    default:
      return plain(value);
  }
}

/** A figure beside an axis: the same, without zeros that say nothing. */
export function mark(value: number, unit: string): string {
  return figure(value, unit).replace(/\.(\d*?)0+(?=\D|$)/, (_whole, rest: string) => (rest ? `.${rest}` : ""));
}

/** A whole number with its thousands apart, or a small one with what matters behind the point. */
export function plain(value: number): string {
  const size = Math.abs(value);
  const behind = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: behind, maximumFractionDigits: behind }).replaceAll(",", GAP);
}

function percent(ratio: number): string {
  const value = ratio * 100;
  if (value > 0 && value < 0.1) return `<${GAP}0.1${GAP}%`;
  return `${value.toFixed(value === 0 || value >= 9.95 ? 0 : 1)}${GAP}%`;
}

function scaled(value: number, units: string[], step: number): string {
  let at = 0;
  let rest = value;
  while (Math.abs(rest) >= step * 0.9995 && at < units.length - 1) {
    rest /= step;
    at += 1;
  }
  const behind = at === 0 || Math.abs(rest) >= 99.95 ? 0 : Math.abs(rest) >= 9.995 ? 1 : 2;
  return `${rest.toFixed(behind)}${GAP}${units[at] ?? ""}`;
}

function span(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return `0${GAP}s`;
  if (size < 0.001) return `${plain(Math.round(seconds * 1e6))}${GAP}µs`;
  if (size < 1) return `${short(seconds * 1000)}${GAP}ms`;
  if (size < 60) return `${short(seconds)}${GAP}s`;
  return duration(seconds);
}

function short(value: number): string {
  return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}

/** A length of time in its two largest parts: "45 s", "3 min 20 s", "41 d 3 h". */
export function duration(seconds: Known): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return `0${GAP}s`;
  return parts
    .slice(first, first + 2)
    .filter(([number], place) => place === 0 || number > 0)
    .map(([number, unit]) => `${number}${GAP}${unit}`)
    .join(" ");
}

const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The time of day: "14:03:22". */
export function clock(at: number): string {
  return clocks.format(at);
}

/** The time of day without seconds: "14:03". */
export function minute(at: number): string {
  return minutes.format(at);
}

/** The day: "24 Nov". */
export function day(at: number): string {
  return days.format(at);
}

/** When something was: the time of day, with the day before it unless it is today. */
export function when(at: number, now: number): string {
  return days.format(at) === days.format(now) ? clock(at) : `${day(at)}, ${minute(at)}`;
}

/** An instant for the hover text, in UTC. */
export function utc(at: number): string {
  return `${new Date(at).toISOString().replace("T", " ").slice(0, 19)} UTC`;
}

/** One or several: `count(1, "server")` is "1 server". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
