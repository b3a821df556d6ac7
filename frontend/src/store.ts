// What the page knows, as signals: filled by the first answer and kept true by the live stream.
// Components read; only `live.ts` and the functions here write.
import { computed, effect, signal } from "@preact/signals";
import { hearSignedOut, hub, Refusal } from "./api/ask.ts";
import type { ActionView, Event, MachineView, Overview, PanelView, Person, ServerView, Tick } from "./api/types.ts";

export type Freshness = "connecting" | "live" | "reconnecting";

const EVENTS_KEPT = 300;

/** Who is signed in; null is nobody, undefined "not asked yet". */
export const person = signal<Person | null | undefined>(undefined);
export const freshness = signal<Freshness>("connecting");
/** When the stream was lost, by this device's clock, ms; 0 while there is one. */
export const lostAt = signal(0);
/** When the next try to reach the hub is due, by this device's clock, ms; 0 when none is. */
export const retryAt = signal(0);
/** Counts connections, so that charts and lists know when to fetch again. */
export const connection = signal(0);
/** The hub's time of the newest message, ms; 0 before the first. */
export const heardAt = signal(0);
export const sentence = signal("");
export const wrong = signal(0);
export const machines = signal<MachineView[] | null>(null);
export const servers = signal<ServerView[] | null>(null);
export const events = signal<Event[] | null>(null);
export const panels = signal<PanelView[] | null>(null);
/** The newest action of each server, by `key`. */
export const actions = signal<Record<string, ActionView>>({});
/** A second hand for ages and uptimes, in the hub's time. */
export const now = signal(Date.now());

/** When any machine was last heard by the hub, ms, and how often that one speaks, s. */
export const spoke = signal({ at: 0, every: 0 });

const told = new Map<string, number>(); // when the figures of a machine were last told, the hub's ms
const ROUNDS = 3.5; // after so many rounds of its agent they are old
let tickAt = 0; // the newest tick's, the hub's ms
let skew = 0; // the hub's clock minus this device's, ms

/** The hub's clock, as far as we can tell. */
export function hubNow(): number {
  return Date.now() + skew;
}

/** An instant of this device's clock as the hub's. */
export function hubTime(at: number): number {
  return at + skew;
}

export function key(machine: string, server: string): string {
  return `${machine}/${server}`;
}

export function findMachine(name: string): MachineView | undefined {
  return machines.value?.find((view) => view.machine.name === name);
}

export function findServer(machine: string, name: string): ServerView | undefined {
  return servers.value?.find((view) => view.machine === machine && view.status.name === name);
}

const BLIND = 5000; // ms without the hub after which what was last heard is no longer shown as the state of things

/** Whether nothing is known any more, because the hub is out of reach. */
export const blind = computed(() => lostAt.value > 0 && now.value - hubTime(lostAt.value) > BLIND);

/** "up", "wrong" or "unknown": what title and icon show. */
export const verdict = computed(() => {
  if (freshness.value === "reconnecting" || !machines.value?.length) return "unknown" as const;
  return wrong.value > 0 ? ("wrong" as const) : ("up" as const);
});

function clockAt(at: number): void {
  skew = at - Date.now();
  heardAt.value = at;
  now.value = at;
}

function noteTold(views: MachineView[], at: number): void {
  for (const view of views) told.set(view.machine.name, at);
}

/** Whether the figures of a machine and its servers are those of now: of what was not in sight they may be old. */
export function isTold(machine: string, period: number): boolean {
  return now.peek() - (told.get(machine) ?? 0) <= Math.max(1, period) * ROUNDS * 1000;
}

/** An answer may be late: what the stream has told meanwhile, first of all how everything stands, is newer and stays. */
export function takeOverview(view: Overview): void {
  const newest = view.events[0]?.at ?? 0;
  events.value = (events.peek() ?? []).filter((event) => event.at >= newest).reduce(withEvent, view.events);
  if (view.at < tickAt) return;
  clockAt(view.at);
  sentence.value = view.sentence;
  wrong.value = view.wrong;
  noteTold(view.machines, view.at);
  machines.value = view.machines;
  servers.value = view.servers;
}

export function takeTick(tick: Tick): void {
  tickAt = tick.at;
  clockAt(tick.at);
  sentence.value = tick.sentence;
  wrong.value = tick.wrong;
  if (tick.spoke_at !== spoke.peek().at) spoke.value = { at: tick.spoke_at, every: tick.spoke_every };
  noteTold(tick.machines, tick.at);
  if (!tick.partial) {
    machines.value = tick.machines;
    servers.value = tick.servers;
    return;
  }
  if (tick.machines.length > 0) machines.value = merged(machines.value ?? [], tick.machines, (view) => view.machine.name, machineRank);
  if (tick.servers.length > 0) servers.value = merged(servers.value ?? [], tick.servers, (view) => key(view.machine, view.status.name), serverRank);
}

/** As the hub ranks them: those out of touch first. */
function machineRank(view: MachineView): string {
  return `${view.health === "up" ? 1 : 0} ${view.machine.name}`;
}

/** As the hub ranks them: down, then unknown, then up, then stopped on purpose. */
function serverRank(view: ServerView): string {
  const worst = view.health === "unknown" ? 1 : view.status.state === "stopped" ? 3 : view.health === "down" ? 0 : 2;
  return `${worst} ${view.machine} ${view.status.name}`;
}

/** A list with what has changed put into it; sorted anew only where something has changed its rank. */
export function merged<T>(list: T[], changed: T[], name: (one: T) => string, rank: (one: T) => string): T[] {
  const fresh = new Map(changed.map((one) => [name(one), one]));
  let moved = false;
  const result = list.map((one) => {
    const other = fresh.get(name(one));
    if (!other) return one;
    fresh.delete(name(one));
    moved ||= rank(one) !== rank(other);
    return other;
  });
  if (!moved && fresh.size === 0) return result;
  return [...result, ...fresh.values()].toSorted((one, other) => (rank(one) < rank(other) ? -1 : 1));
}

/** Put an event into a list, newest first, once. */
export function withEvent(list: Event[], event: Event): Event[] {
  if (list.some((known) => known.id === event.id)) return list;
  return [event, ...list].toSorted((one, other) => other.at - one.at || (one.id < other.id ? 1 : -1)).slice(0, EVENTS_KEPT);
}

export function takeEvent(event: Event): void {
  events.value = withEvent(events.peek() ?? [], event);
}

export function takeAction(action: ActionView): void {
  const at = key(action.machine, action.server);
  const known = actions.value[at];
  if (known && known.id !== action.id && known.at > action.at) return;
  if (known?.id === action.id && known.outcome && !action.outcome) return; // the answer to the click may come after its outcome
  actions.value = { ...actions.value, [at]: action };
}

const KEEP = 6 * 3600 * 1000; // ms between two prolongations of the session by a page that stays open

/** Keep the session of an open page from ending, and go to the door as soon as the hub says that it has ended. */
export function keepSession(): void {
  hearSignedOut(() => (person.value = null));
  effect(() => {
    if (person.value) prolong();
  });
  setInterval(() => {
    if (person.peek()) prolong();
  }, KEEP);
}

function prolong(): void {
  hub.keepSession().catch(() => undefined); // at the next turn, or the door is shown where it has ended
}

/** Ask who is signed in; a refusal means nobody, silence changes nothing. */
export async function askPerson(): Promise<void> {
  try {
    person.value = await hub.session();
  } catch (fault) {
    if (fault instanceof Refusal && fault.status === 401) person.value = null;
    else if (person.value === undefined) freshness.value = "reconnecting";
  }
}

/** Fetch all that the stream does not repeat: done at first and after every gap. */
export async function refresh(): Promise<void> {
  const [view, known] = await Promise.all([hub.overview(), panels.value ?? hub.panels()]);
  panels.value = known;
  takeOverview(view);
}
