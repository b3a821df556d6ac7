// What goes on, as the rules see it: incidents, alerts and silences, fetched anew whenever the stream says that an alert changed.
import { computed, signal } from "@preact/signals";
import { hub, Refusal } from "./api/ask.ts";
import type { Alert, Incident, SilenceView } from "./api/types.ts";
import { now } from "./store.ts";

const SOON = 150; // ms that changes are gathered for
const AFTER = 1500; // and once more after so long: an incident is written behind its alerts
const KEPT = 200;

/** Incidents that are not over, as worstFirst has them; null before the first answer. */
export const incidents = signal<Incident[] | null>(null);
export const alerts = signal<Alert[] | null>(null);
export const silences = signal<SilenceView[] | null>(null);
/** Counts changes, for pages that show one incident or those of the past. */
export const turns = signal(0);

const GRAVITY = { critical: 0, warning: 1, info: 2 };

function rank(one: Incident): number {
  return (one.state === "open" ? 0 : 10) + GRAVITY[one.severity] + (one.drill ? 5 : 0);
}

/** Those that wait for somebody before those that do not, the gravest and then the newest first. */
export function worstFirst(list: Incident[]): Incident[] {
  return list.toSorted((one, other) => rank(one) - rank(other) || other.opened_at - one.opened_at);
}

/** How many wait for somebody: what the badge shows. Drills do not. */
export const waiting = computed(() => (incidents.value ?? []).filter((one) => one.state === "open" && !one.drill && quietUntil(one) === 0).length);

/** Until when nobody is told of an incident because all its alerts are silenced, ms; 0 when somebody is. */
export function quietUntil(incident: Incident): number {
  const mine = (alerts.value ?? []).filter((alert) => alert.incident === incident.id && alert.state !== "resolved");
  if (mine.length === 0 || !mine.every((alert) => alert.suppressed.startsWith("silenced"))) return 0;
  const holds = (silences.value ?? []).filter((one) => one.state === "active" && one.ends_at > now.value);
  const ends = holds.filter((one) => mine.some((alert) => one.matchers.every((matcher) => fits(matcher, alert))));
  return ends.reduce((latest, one) => Math.max(latest, one.ends_at), 0);
}

function fits(matcher: SilenceView["matchers"][number], alert: Alert): boolean {
  const value = alert.labels[matcher.label] ?? "";
  const hit = matcher.op.endsWith("~") ? matches(matcher.value, value) : value === matcher.value;
  return hit !== matcher.op.startsWith("!");
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(value);
  } catch {
    return false; // the hub's regular expressions know what ours do not
  }
}

let asked = 0;
let taken = 0; // the newest question whose answer is shown: what an older one brings is older

/** Fetch all three. Raises what the hub refuses. */
export async function fetchWatch(): Promise<void> {
  asked += 1;
  const mine = asked;
  const [open, going, quiet] = await Promise.all([hub.incidents("ongoing", KEPT), hub.alerts(), hub.silences()]);
  if (mine <= taken) return;
  taken = mine;
  incidents.value = worstFirst(open.incidents);
  alerts.value = going.alerts;
  silences.value = quiet;
  turns.value += 1;
}

let due: ReturnType<typeof setTimeout> | undefined;
let later: ReturnType<typeof setTimeout> | undefined;

/** Something changed: ask soon, and once more a little later. */
export function askSoon(): void {
  due ??= setTimeout(() => {
    due = undefined;
    void quietly();
  }, SOON);
  clearTimeout(later);
  later = setTimeout(() => void quietly(), AFTER);
}

async function quietly(): Promise<void> {
  try {
    await fetchWatch();
  } catch (fault) {
    if (!(fault instanceof Refusal)) throw fault; // the page says by itself that the hub is away, and asks again when it is back
  }
}

/** Show at once what the hub has answered to an act. */
export function takeIncident(changed: Incident): void {
  taken = asked; // what was asked before the act knows nothing of it
  const rest = (incidents.value ?? []).filter((one) => one.id !== changed.id);
  incidents.value = worstFirst(changed.state === "resolved" ? rest : [...rest, changed]);
  turns.value += 1;
  askSoon();
}
