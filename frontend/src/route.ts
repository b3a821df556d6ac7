// Where the reader is: the address bar holds page, thing, range and instant, and nothing else does.
import { signal } from "@preact/signals";

export const RANGES = ["10m", "1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];
/** A part of time that somebody chose by hand: from and to, ms. */
export type Zoom = readonly [number, number];

const LISTS = ["machines", "incidents", "events", "explore", "rules", "channels", "drills", "stress", "settings", "more"] as const;
/** The pages that are there once, by their address. */
export type List = (typeof LISTS)[number];

export type Place =
  | { page: "overview" }
  | { page: List }
  | { page: "incident"; incident: string }
  | { page: "stress-run"; run: string }
  | { page: "machine"; machine: string }
  | { page: "server"; machine: string; server: string }
  | { page: "evidence"; machine: string; evidence: string }
  | { page: "sign-in" }
  | { page: "lost" };

const SECONDS: Record<Range, number> = { "10m": 600, "1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400 };
const LEAST_ZOOM = 10_000; // ms
const USUAL: Range = "10m";

/** How many seconds a range shows. */
export function seconds(range: Range): number {
  return SECONDS[range];
}

/** Read a path; an unknown one is "lost", never a crash. */
export function parse(path: string): Place {
  const steps = path.split("/").filter(Boolean).map(decoded);
  const [first, second, third, fourth] = steps;
  if (first === undefined) return { page: "overview" };
  if (steps.length === 1) {
    const list = LISTS.find((name) => name === first);
    return list ? { page: list } : first === "sign-in" ? { page: "sign-in" } : { page: "lost" };
  }
  if (second === undefined) return { page: "lost" };
  if (first === "incidents" && steps.length === 2) return { page: "incident", incident: second };
  if (first === "stress" && steps.length === 2) return { page: "stress-run", run: second };
  if (first !== "machines") return { page: "lost" };
  if (steps.length === 2) return { page: "machine", machine: second };
  if (fourth === undefined || steps.length !== 4) return { page: "lost" };
  if (third === "servers") return { page: "server", machine: second, server: fourth };
  if (third === "evidence") return { page: "evidence", machine: second, evidence: fourth };
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

export function evidencePath(machine: string, evidence: string): string {
  return `${machinePath(machine)}/evidence/${encodeURIComponent(evidence)}`;
}

export function incidentPath(incident: string): string {
  return `/incidents/${encodeURIComponent(incident)}`;
}

export function stressPath(run: string): string {
  return `/stress/${encodeURIComponent(run)}`;
}

/** The page of a machine or server, at a part of time. */
export function pathAt(machine: string, server: string, zoom: Zoom, at = 0): string {
  return `${server ? serverPath(machine, server) : machinePath(machine)}?${words(USUAL, zoom, at)}`;
}

/** The range that a query asks for; the shortest when it asks for none that we know. */
export function rangeOf(query: string): Range {
  const asked = new URLSearchParams(query).get("range");
  return RANGES.find((range) => range === asked) ?? USUAL;
}

/** The part of time that a query asks for, if it asks for one that makes sense. */
export function zoomOf(query: string): Zoom | null {
  const asked = new URLSearchParams(query);
  const from = Number(asked.get("from"));
  const to = Number(asked.get("to"));
  return from > 0 && to - from >= LEAST_ZOOM && Number.isSafeInteger(from) && Number.isSafeInteger(to) ? [from, to] : null;
}

/** The instant that a query asks for, ms; 0 is none. */
export function instantOf(query: string): number {
  const asked = Number(new URLSearchParams(query).get("at"));
  return Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
}

const inBrowser = typeof location !== "undefined";
const asked = inBrowser ? location.search : "";
export const place = signal<Place>(parse(inBrowser ? location.pathname : "/"));
/** The range that charts show, up to now; `zoom` goes before it. */
export const range = signal<Range>(rangeOf(asked));
export const zoom = signal<Zoom | null>(zoomOf(asked));
/** The instant that was picked on the charts, ms; 0 is none. */
export const instant = signal(instantOf(asked));
/** The whole query, for pages that keep more in it. */
export const query = signal(asked);

let settled = inBrowser ? location.pathname : "/";

function settle(): void {
  const search = location.search;
  if (location.pathname !== settled) {
    settled = location.pathname; // a new place is a new drawing of the whole page, which a letter in the filter is not worth
    place.value = parse(settled);
  }
  range.value = rangeOf(search);
  const wanted = zoomOf(search);
  if (wanted?.join() !== zoom.value?.join()) zoom.value = wanted;
  instant.value = instantOf(search);
  query.value = search;
}

function words(wanted: Range, part: Zoom | null, at: number): string {
  const said = new URLSearchParams();
  if (part) {
    said.set("from", String(Math.round(part[0])));
    said.set("to", String(Math.round(part[1])));
  } else if (wanted !== USUAL) said.set("range", wanted);
  if (at > 0) said.set("at", String(Math.round(at)));
  return said.toString();
}

/** Go to another page; range and instant go along between pages that have charts. */
export function go(path: string, how: "push" | "replace" = "push"): void {
  const keeps = path.startsWith("/machines/") && !path.includes("?");
  const kept = keeps ? words(range.value, zoom.value, instant.value) : "";
  const address = kept ? `${path}?${kept}` : path;
  if (how === "push") history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  settle();
  if (how === "push") scrollTo(0, 0);
}

/** Show another range on this page, without a step in the history for each try. */
export function show(wanted: Range): void {
  replace(words(wanted, null, instant.value));
}

/** Show a part of time; a step back in the history leads out of it again. */
export function zoomTo(from: number, to: number): void {
  const end = Math.max(to, from + LEAST_ZOOM);
  history.pushState(null, "", `${location.pathname}?${words(range.value, [from, end], instant.value)}`);
  settle();
}

/** Pick an instant, or with 0 none any more. */
export function pick(at: number): void {
  replace(words(range.value, zoom.value, at));
}

/** Keep other words in the query, for pages without charts of the usual kind. */
export function keepQuery(said: Record<string, string>): void {
  replace(new URLSearchParams(Object.entries(said).filter(([, value]) => value !== "")).toString());
}

function replace(said: string): void {
  history.replaceState(null, "", said ? `${location.pathname}?${said}` : location.pathname);
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
