// Every text of the page, in one place and in plain words: state first, then what to do.
import type { EventKind, ProbeResult, Verb } from "./api/types.ts";
import { count, duration } from "./format.ts";
import type { Range } from "./route.ts";

export const PRODUCT = "Watchkeeper";

export const ranges: Record<Range, { label: string; name: string }> = {
  "10m": { label: "10 min", name: "last 10 minutes" },
  "1h": { label: "1 h", name: "last hour" },
  "24h": { label: "24 h", name: "last 24 hours" },
  "7d": { label: "7 d", name: "last 7 days" },
  "30d": { label: "30 d", name: "last 30 days" },
};

export const states = {
  starting: "Starting",
  stopping: "Stopping",
  waiting: "Waiting",
  failing: "Failing",
  down: "Down",
  exited: "Exited",
  stopped: "Stopped",
  unknown: "Unknown",
  up: "Up",
  away: "Out of touch",
} as const;

export const severities = { info: "For your information", warning: "Warning", critical: "Critical" } as const;

export const frame = {
  skip: "Skip to the page",
  nav: "Pages",
  overview: "Overview",
  machines: "Machines",
  events: "Events",
  servers: "Servers",
  signOut: "Sign out",
  themes: { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },
  live: "Live",
  connecting: "Connecting…",
  reconnecting: "Reconnecting…",
  old: (seconds: number) => `Data is ${duration(seconds)} old`,
  loading: "Loading",
};

export const overview = {
  first: "Taking a first look…",
  servers: "Servers",
  machines: "Machines",
  noServers: "No server is kept yet.",
  noServersHint: "Add a [server.NAME] section to the configuration, and it shows up here.",
  noEvents: "Nothing has happened yet.",
  headings: { state: "State", server: "Server", uptime: "Up for", cpu: "CPU", memory: "Memory", restarts: "Restarts", next: "Note" },
  cpuAbout: "100 % is one core",
  machineHeadings: { machine: "Machine", cpu: "CPU", memory: "Memory", disk: "Fullest disk", load: "Load", network: "Network", uptime: "Up for" },
  recent: "Recent events",
  allEvents: "All events",
  nextTry: (seconds: number) => (seconds <= 0 ? "next try now" : `next try in ${duration(Math.ceil(seconds))}`),
};

export const machine = {
  cores: (number: number) => count(number, "core"),
  memory: (size: string) => `${size} memory`,
  agent: (version: string) => `agent ${version}`,
  upFor: (text: string) => `up ${text}`,
  silent: (text: string) => `Its agent has been silent for ${text}: figures below are the last ones.`,
  filesystems: "Filesystems",
  noFilesystems: "No figures of filesystems yet.",
  events: "Events here",
  unknown: (name: string) => `No machine is called “${name}”.`,
  charts: "Figures",
};

export const server = {
  on: (place: string) => `on ${place}`,
  unknown: (name: string, place: string) => `No server is called “${name}” on ${place}.`,
  facts: { uptime: "Up for", pid: "Process", restarts: "Restarts", exit: "Last exit", since: "In this state for", fds: "Open files", driver: "Kept by" },
  never: "none yet",
  probes: "Probes",
  noProbes: "No probe asks this server anything.",
  figures: "Figures",
  events: "Its events",
  probeWord: (probe: ProbeResult) => (probe.at === 0 ? "Not asked yet" : probe.ok ? "Answers" : "Fails"),
};

const verbs: Record<Verb, string> = { start: "Start", stop: "Stop", restart: "Restart" };

export const act = {
  verb: (verb: Verb) => verbs[verb],
  opens: (verb: Verb) => `${verbs[verb]}…`,
  ask: (verb: Verb, name: string) => `${verbs[verb]} ${name}?`,
  means: {
    start: "",
    stop: "It gets time to end in good order, then stays down until someone starts it again.",
    restart: "It gets time to end in good order, then starts again. Whoever is connected to it now is cut off.",
  } satisfies Record<Verb, string>,
  cancel: "Cancel",
  asked: (verb: Verb) => `${verbs[verb]} asked for…`,
  refused: "Not done:",
  close: "Close this note",
};

export const logs = {
  title: "Output",
  wrap: "Wrap lines",
  toEnd: "Back to the end",
  held: (lines: number) => (lines === 0 ? "Held here while you read" : `Held here; ${count(lines, "new line")} below`),
  empty: "It has written nothing yet.",
  waiting: "Waiting for its output…",
};

export const charts = {
  failed: "This chart could not be loaded.",
  again: "Try again",
  none: "No figures in this time",
  asTable: "Show as a table",
  asChart: "Show as a chart",
  time: "Time",
  range: "Time shown",
  more: (lines: number) => `+${lines}`,
  upShare: (share: string, span: string) => `${share} of the known time, ${span}`,
  upTitle: "Up",
  nowWord: "now",
  partWords: { up: "up", down: "down", unknown: "not known" },
  summary: (title: string, span: string, now: string) => `${title}, ${span}. Now: ${now}.`,
};

export const signIn = {
  title: "Sign in",
  working: "Signing you in…",
  how: "Watchkeeper lets people in by a one-time link. Print one on the machine where it runs:",
  command: "watchkeeper sign-in",
  afterwards: "Then open the link it prints. It works once and for an hour.",
  failed: "This link did not work.",
  away: "The hub does not answer. Is it running?",
  again: "Try again",
};

export const lost = { title: "There is no such page", back: "To the overview" };

export const eventWords: Partial<Record<EventKind, string>> = {
  server_starting: "Starting",
  server_started: "Started",
  server_adopted: "Found again",
  server_exited: "Exited",
  server_start_failed: "Start failed",
  server_stopping: "Stopping",
  server_stopped: "Stopped",
  server_restart_planned: "Will restart",
  probe_failed: "Probe fails",
  probe_recovered: "Probe recovered",
  agent_started: "Agent started",
  agent_stopped: "Agent stopped",
  machine_connected: "Connected",
  machine_lost: "Lost",
  spool_overflowed: "Spool full",
  config_rejected: "Configuration refused",
  config_reloaded: "Configuration read",
  action_requested: "Asked",
  action_ended: "Done",
  hub_started: "Hub started",
  hub_stopped: "Hub stopped",
  store_repaired: "Store repaired",
  store_full: "Store full",
};
