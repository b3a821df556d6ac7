// What happened in the time that is shown: fetched once for all charts of a page, drawn on each as a fine line.
// A stress run is a band from its beginning to its end, and each of its phases one within it, with its name.
import { signal } from "@preact/signals";
import type uPlot from "uplot";
import { hub, Refusal } from "../api/ask.ts";
import type { Event, EventKind } from "../api/types.ts";
import { type Range, seconds, type Zoom } from "../route.ts";
import { connection, events, hubNow } from "../store.ts";

const MOST = 200;
const OFTEN = 30_000; // ms between questions while the range runs with the clock

export type NoteTone = "good" | "warn" | "bad" | "quiet" | "even";
/** Something to draw: at an instant, or with `until` over a time; `label` stands in the drawing where it has room. */
export type Note = { id: string; at: number; until: number; tone: NoteTone; text: string; label: string };

export const notes = signal<Note[]>([]);
/** The instant under the cursor of any chart, ms; 0 is none. */
export const hovered = signal(0);

const CHANGES = new Set<EventKind>(["mark", "config_reloaded", "action_ended", "machine_rebooted", "agent_started"]);
const NOISE = new Set<EventKind>(["server_starting", "server_stopping", "action_requested", "incident_changed", "evidence_saved", "server_restart_planned"]);
const BACK = new Set<EventKind>(["server_started", "alert_resolved", "probe_recovered", "machine_connected", "server_lives"]);

function toneOf(event: Event): NoteTone {
  if (event.severity === "critical") return "bad";
  if (event.kind.startsWith("stress_")) return "even";
  if (event.severity === "warning") return "warn";
  return CHANGES.has(event.kind) ? "even" : BACK.has(event.kind) ? "good" : "quiet";
}

/** When what an event of a stress run begins is over: a phase with the next or with the run, a run with its end; 0 of other events. */
function endOf(event: Event, list: Event[], now: number): number {
  if (event.kind !== "stress_started" && event.kind !== "stress_phase") return 0;
  const ends = list.filter((one) => one.facts["run"] === event.facts["run"] && one.at > event.at);
  const over = ends.filter((one) => one.kind === "stress_ended" || (one.kind === "stress_phase" && event.kind === "stress_phase"));
  return Math.min(now, ...over.map((one) => one.at));
}

/** Events as notes, oldest first; the beginning and the end of a stress run become one. */
export function notesOf(list: Event[], now: number): Note[] {
  const begun = new Set(list.filter((event) => event.kind === "stress_started").map((event) => event.facts["run"]));
  return list
    .filter((event) => !NOISE.has(event.kind) && !(event.kind === "stress_ended" && begun.has(event.facts["run"])))
    .map((event) => {
      const label = event.kind === "stress_phase" ? (event.facts["phase"] ?? "") : "";
      return { id: event.id, at: event.at, until: endOf(event, list, now), tone: toneOf(event), text: event.text, label };
    })
    .toSorted((one, other) => one.at - other.at);
}

function joined(some: Event[], others: Event[]): Event[] {
  const ids = new Set(some.map((event) => event.id));
  return [...some, ...others.filter((event) => !ids.has(event.id))];
}

/** Keep `notes` about one machine or server and one part of time; returns how to stop. */
export function followNotes(machine: string, server: string, range: Range, zoom: Zoom | null): () => void {
  let known: Event[] = [];
  let heard: Event[] = []; // since the last question was put: its answer may be older than they are
  let mine = true;
  const tell = () => {
    notes.value = notesOf(known, hubNow());
  };
  const load = async () => {
    const end = zoom?.[1] ?? hubNow() + 1000;
    const start = zoom?.[0] ?? end - seconds(range) * 1000;
    heard = [];
    try {
      const page = await hub.happened(machine, server, start, end, MOST);
      if (!mine) return;
      known = joined(page.events, heard);
      tell();
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault; // asked again with the next connection
    }
  };
  const again = setInterval(() => {
    if (!zoom && !document.hidden) void load();
  }, OFTEN);
  const unhear = connection.subscribe(() => void load());
  const unwatch = events.subscribe((list) => {
    if (zoom) return;
    const fresh = (list ?? []).filter((event) => event.machine === machine && (server === "" || event.server === server));
    const recent = fresh.filter((event) => event.at > hubNow() - seconds(range) * 1000);
    heard = joined(heard, recent);
    const all = joined(known, recent);
    if (all.length === known.length) return;
    known = all;
    tell();
  });
  return () => {
    mine = false;
    clearInterval(again);
    unhear();
    unwatch();
    notes.value = [];
  };
}

/** The notes beside an instant, the nearest first: within so many ms, or inside a band. */
export function notesNear(list: Note[], at: number, reach: number): Note[] {
  const apart = (note: Note) => (note.until > 0 && note.at <= at && at <= note.until ? 0 : Math.abs(note.at - at));
  return list.filter((note) => apart(note) <= reach).toSorted((one, other) => apart(one) - apart(other));
}

type Paints = Record<NoteTone, string>;

/** Draw them on a plot, with the instant that was picked. */
export function drawNotes(plot: uPlot, paints: Paints, picked: number): void {
  const { ctx, bbox } = plot;
  const low = plot.scales["x"]?.min ?? 0;
  const high = plot.scales["x"]?.max ?? 0;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const note of notes.peek()) {
    if (note.at > high || Math.max(note.at, note.until) < low) continue;
    const left = Math.round(plot.valToPos(note.at, "x", true));
    ctx.fillStyle = paints[note.tone];
    if (note.until > 0) {
      const wide = Math.max(2, plot.valToPos(note.until, "x", true) - left);
      ctx.globalAlpha = 0.08;
      ctx.fillRect(left, bbox.top, wide, bbox.height);
      ctx.font = `${11 * devicePixelRatio}px 'Inter Variable', system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      ctx.globalAlpha = 1;
      if (note.label && ctx.measureText(note.label).width + 8 * devicePixelRatio < wide) ctx.fillText(note.label, left + 5 * devicePixelRatio, bbox.top + 4 * devicePixelRatio);
    }
    ctx.globalAlpha = note.tone === "quiet" ? 0.25 : 0.5;
    ctx.fillRect(left, bbox.top, devicePixelRatio, bbox.height);
    ctx.globalAlpha = note.tone === "quiet" ? 0.5 : 1;
    ctx.fillRect(left - 2 * devicePixelRatio, bbox.top, 5 * devicePixelRatio, 3 * devicePixelRatio);
  }
  if (picked >= low && picked <= high && picked > 0) {
    ctx.globalAlpha = 1;
    ctx.fillStyle = paints.even;
    ctx.fillRect(Math.round(plot.valToPos(picked, "x", true)) - devicePixelRatio, bbox.top, 2 * devicePixelRatio, bbox.height);
  }
  ctx.restore();
}
