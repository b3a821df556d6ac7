// Where the reader is: the address bar holds page, machine, server and range, and nothing else does.
import { signal } from "@preact/signals";

export const RANGES = ["10m", "1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

export type Place =
  | { page: "overview" }
  | { page: "machines" }
  | { page: "events" }
  | { page: "machine"; machine: string }
  | { page: "server"; machine: string; server: string }
  | { page: "sign-in" }
  | { page: "lost" };

const SECONDS: Record<Range, number> = { "10m": 600, "1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400 };

/** How many seconds a range shows. */
export function seconds(range: Range): number {
  return SECONDS[range];
}

/** Read a path; an unknown one is "lost", never a crash. */
export function parse(path: string): Place {
  const steps = path.split("/").filter(Boolean).map(decoded);
  const [first, machine, third, server] = steps;
  if (first === undefined) return { page: "overview" };
  if (first === "sign-in" && steps.length === 1) return { page: "sign-in" };
  if (first === "events" && steps.length === 1) return { page: "events" };
  if (first !== "machines") return { page: "lost" };
  if (machine === undefined) return { page: "machines" };
  if (steps.length === 2) return { page: "machine", machine };
  if (third === "servers" && server !== undefined && steps.length === 4) return { page: "server", machine, server };
  return { page: "lost" };
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

export function machinePath(machine: string): string {
  return `/machines/${encodeURIComponent(machine)}`;
}

export function serverPath(machine: string, server: string): string {
  return `${machinePath(machine)}/servers/${encodeURIComponent(server)}`;
}

/** The range that a query asks for; the shortest when it asks for none that we know. */
export function rangeOf(query: string): Range {
  const asked = new URLSearchParams(query).get("range");
  return RANGES.find((range) => range === asked) ?? "10m";
}

const inBrowser = typeof location !== "undefined";
export const place = signal<Place>(parse(inBrowser ? location.pathname : "/"));
export const range = signal<Range>(rangeOf(inBrowser ? location.search : ""));

function settle(): void {
  place.value = parse(location.pathname);
  range.value = rangeOf(location.search);
}

/** Go to another page; the range goes along to pages that have charts. */
export function go(path: string, how: "push" | "replace" = "push"): void {
  const keeps = path.startsWith("/machines/") && range.value !== "10m" && !path.includes("?");
  const address = keeps ? `${path}?range=${range.value}` : path;
  if (how === "push") history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  settle();
  if (how === "push") scrollTo(0, 0);
}

/** Show another range on this page, without a step in the history for each try. */
export function show(wanted: Range): void {
  history.replaceState(null, "", wanted === "10m" ? location.pathname : `${location.pathname}?range=${wanted}`);
  settle();
}

/** Let plain clicks on our own links change the page without a load; everything else is the browser's. */
export function followLinks(): void {
  addEventListener("popstate", settle);
  addEventListener("click", (click) => {
    if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    const link = (click.target as Element | null)?.closest("a");
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute("download")) return;
    if (parse(link.pathname).page === "lost") return;
    if (link.hash && link.pathname === location.pathname) return; // a place on this page
    click.preventDefault();
    if (link.pathname + link.search !== location.pathname + location.search) go(link.pathname + link.search);
  });
}
