// The live stream: one WebSocket for the page, its watchdog, and how it comes back.
// The hub ticks at least every 2 s, so silence means a dead or frozen hub, which `onclose` alone would not notice.
// After a gap everything is fetched again: the stream never replays, so it can never pile up.
import { effect } from "@preact/signals";
import type { LogNews, LogsFollow, Point, Subscribe, ToBrowser } from "./api/types.ts";
import { askPerson, connection, findMachine, freshness, hubNow, lostAt, now, person, refresh, retryAt, takeAction, takeEvent, takeTick } from "./store.ts";
import { askSoon, fetchWatch } from "./watch.ts";

const SILENCE = 3500; // ms without a message after which the stream counts as lost
const OPENING = 8000; // ms that a handshake may take
const LOGS_AGAIN = 2000; // ms between the end of an output and the next question for it
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;

type Ear<T> = (news: T) => void;

let socket: WebSocket | null = null;
let heard = 0; // performance.now() of the last message
let failures = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let wanted: Subscribe = { type: "subscribe", changes: true, shown: [] };
let followed: LogsFollow = { type: "logs" };
const pointEars = new Set<Ear<Point[]>>();
const logEars = new Set<(news: LogNews, fresh: boolean) => void>();
let logsEnded = 0; // performance.now() when the followed output ended for a reason; 0: it goes on
let logsFresh = true; // whether the next lines are a new tail, not more of the old one

/** How long to wait after so many failed tries, ms: doubling to a cap, the upper half by chance, so that many pages spread out. */
export function wait(tries: number, chance: number): number {
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(tries, 16));
  return most / 2 + (most / 2) * chance;
}

/** Ask for the newest points of these panels from now on. */
export function subscribe(panels: string[], machine: string, server: string): void {
  wanted = { ...wanted, panels, machine, server };
  send(wanted);
}

/** Ask for the figures of these machines alone from now on; how all others stand is told anyway. */
export function showFigures(machines: string[]): void {
  wanted = { ...wanted, shown: machines };
  send(wanted);
}

/** Follow one server's output; an empty server stops it. */
export function followLogs(machine: string, server: string, lines: number): void {
  followed = { type: "logs", machine, server, lines };
  askForLogs();
}

function askForLogs(): void {
  logsFresh = true;
  logsEnded = 0;
  send(followed);
}

/** An output that ended with its agent's connection goes on once that is back: the hub does not take it up by itself. */
function resumeLogs(): void {
  const { machine = "", server } = followed;
  if (server && logsEnded > 0 && performance.now() - logsEnded > LOGS_AGAIN && findMachine(machine)?.connected) askForLogs();
}

/** Hear every tick's points; returns how to stop. */
export function hearPoints(ear: Ear<Point[]>): () => void {
  pointEars.add(ear);
  return () => pointEars.delete(ear);
}

/** Hear the followed server's lines; `fresh` ones replace what was there. Returns how to stop. */
export function hearLogs(ear: (news: LogNews, fresh: boolean) => void): () => void {
  logEars.add(ear);
  return () => logEars.delete(ear);
}

/** Keep the stream up while somebody is signed in. */
export function keepLive(): void {
  effect(() => {
    if (person.value) open();
    else hangUp();
  });
  effect(() => {
    if (freshness.value !== "reconnecting") lostAt.value = 0;
    else if (lostAt.peek() === 0) lostAt.value = Date.now();
  });
  setInterval(watch, 500);
  setInterval(() => {
    if (!document.hidden) now.value = hubNow();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) wake();
  });
  addEventListener("online", wake);
  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", (event) => {
    if (event.persisted && person.peek()) open();
  });
}

/** Try to reach the hub now, not when the timer says. */
export function tryNow(): void {
  if (person.peek() && !socket) open();
}

function open(): void {
  clearTimeout(retry);
  retryAt.value = 0;
  if (socket) return;
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket = mine;
  heard = performance.now() + OPENING - SILENCE;
  mine.addEventListener("open", () => {
    if (socket !== mine) return;
    heard = performance.now();
    send(wanted);
    if (followed.server) askForLogs();
    void catchUp(mine);
  });
  mine.addEventListener("message", (message: MessageEvent<string>) => {
    if (socket === mine) take(JSON.parse(message.data) as ToBrowser);
  });
  mine.addEventListener("close", () => {
    if (socket === mine) lose();
  });
}

/** Fetch what the gap may have hidden, and only then call the page live. */
async function catchUp(mine: WebSocket): Promise<void> {
  try {
    await Promise.all([refresh(), fetchWatch()]);
  } catch {
    if (socket === mine) lose();
    return;
  }
  if (socket !== mine) return;
  failures = 0;
  freshness.value = "live";
  connection.value += 1;
}

function take(message: ToBrowser): void {
  heard = performance.now();
  switch (message.type) {
    case "tick":
      takeTick(message);
      resumeLogs();
      if (message.points.length > 0) for (const ear of pointEars) ear(message.points);
      break;
    case "event":
      takeEvent(message.event);
      break;
    case "action":
      takeAction(message.action);
      break;
    case "alert":
      askSoon();
      break;
    case "logs":
      if (message.machine !== followed.machine || message.server !== followed.server) break;
      for (const ear of logEars) ear(message, logsFresh);
      logsFresh = false;
      logsEnded = message.why ? performance.now() : 0;
      break;
    case "bye":
      lose();
      break;
  }
}

function watch(): void {
  if (socket && performance.now() - heard > SILENCE) lose();
}

/** The stream is gone: say so, and try again a little later, or at once to find out that we are signed out. */
function lose(): void {
  drop();
  freshness.value = "reconnecting";
  clearTimeout(retry);
  if (!person.peek()) return;
  if (failures === 1 || failures % 8 === 7) void askPerson(); // a refused handshake looks like any other failure
  const pause = wait(failures, Math.random());
  retryAt.value = Date.now() + pause;
  retry = setTimeout(open, pause);
  failures += 1;
}

function drop(): void {
  const old = socket;
  socket = null;
  old?.close();
}

function hangUp(): void {
  clearTimeout(retry);
  drop();
}

/** The device came back: do not wait for the timer. */
function wake(): void {
  now.value = hubNow();
  if (socket) watch();
  else if (person.peek()) open();
}

function send(message: Subscribe | LogsFollow): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}
