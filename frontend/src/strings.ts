// Every text of the page, in one place and in plain words: state first, then what to do.
import type { ProbeResult, Verb } from "./api/types.ts";
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
  stillIn: "You are still signed in:",
  themes: { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },
  live: "Live",
  connecting: "Connecting…",
  reconnecting: "Reconnecting…",
  away: "The hub cannot be reached.",
  awayMeans: (age: string) => (age === "" ? "Nothing is known until it answers." : `What you see is ${age} old, and states are not known until it answers.`),
  nextTry: (seconds: number) => (seconds <= 0 ? "Trying now…" : `Next try in ${duration(seconds)}`),
  tryNow: "Try now",
  signedIn: (name: string) => `Signed in as ${name}`,
  changed: (name: string, place: string, word: string) => `${name} on ${place}: ${word}`,
  manyChanged: (number: number) => `${number} servers changed state`,
  old: (seconds: number) => `Data is ${duration(seconds)} old`,
  loading: "Loading",
};

export const overview = {
  first: "Taking a first look…",
  servers: "Servers",
  machines: "Machines",
  noServers: "No server is kept yet.",
  blind: "The hub is out of reach: nothing is known right now.",
  noMachines: "No machine has reported yet.",
  noMachinesHint: "Run watchkeeper agent on a machine, with this hub's address in its configuration; it shows up here by itself.",
  noMachinesCommand: "watchkeeper agent --config agent.toml",
  restarted: (times: number) => (times === 1 ? "restarted once" : `restarted ${times} times`),
  silent: (place: string, text: string) => `${place} has been silent for ${text}`,
  actions: "Note and actions",
  cpuMemory: "CPU, memory",
  noServersHint: "Add a section like this to the agent's configuration and start the agent again; the server shows up here by itself.",
  noServersExample: '[server.hello]\ncommand = ["python3", "hello_server.py", "8601"]',
  evidence: "evidence",
  noEvents: "Nothing has happened yet.",
  headings: { state: "State", server: "Server", uptime: "Up for", cpu: "CPU", memory: "Memory" },
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
  silent: (text: string) => `Its agent has been silent for ${text}: what it was doing is not known until it is back.`,
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
  own: "What it says of itself",
  events: "Its events",
  restarts: "Ends and why",
  ran: (text: string) => `after ${text}`,
  probeWord: (probe: ProbeResult) => (probe.at === 0 ? "Not asked yet" : probe.ok ? "Answers" : "Fails"),
};

const verbs: Record<Verb, string> = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  pause: "Pause",
  resume: "Resume",
  expect: "Expect heavy work of",
  drill: "Drill",
};

export const act = {
  verb: (verb: Verb) => verbs[verb],
  opens: (verb: Verb) => `${verbs[verb]}…`,
  ask: (verb: Verb, name: string, place: string) => `${verbs[verb]} ${name} on ${place}?`,
  means: {
    start: "",
    resume: "",
    expect: "",
    drill: "",
    pause: "Nothing happens to it by itself until someone resumes it: no restart, no start by schedule, no help when it hangs.",
    stop: "It is asked to end and gets time to do so in good order; whoever is connected to it is cut off. Then it stays down until someone starts it.",
    restart: "It is asked to end, gets time to do so in good order, and is started again at once. Whoever is connected to it is cut off.",
  } satisfies Record<Verb, string>,
  running: (pid: number, text: string) => `Now: process ${pid}, up for ${text}.`,
  label: (verb: Verb, name: string) => `${verbs[verb]} ${name}`,
  buttons: (name: string) => `What can be done with ${name}`,
  outOfReach: "Nothing can be done from here while its agent is out of touch.",
  mayLook: "You may look here, not act.",
  cancel: "Cancel",
  asked: (verb: Verb) => `${verbs[verb]} asked for…`,
  refused: "Not done:",
  unanswered: "Asked for, but no answer has come: it may or may not be done. What becomes of it shows up here.",
  close: "Close this note",
};

export const logs = {
  title: "Output",
  wrap: "Wrap lines",
  search: "Search in the output",
  grave: "Warnings and errors only",
  toEnd: "Back to the end",
  held: (lines: number) => (lines === 0 ? "Held here while you read" : `Held here; ${count(lines, "new line")} below`),
  empty: "It has written nothing yet.",
  waiting: "Waiting for its output…",
  at: (text: string) => `Around ${text}`,
  atNone: "Its lines carry no times, so that instant cannot be found in them.",
  atBefore: "That instant lies before the oldest line that was kept.",
  live: "Back to live",
};

export const charts = {
  failed: "This chart could not be loaded.",
  again: "Try again",
  none: (span: string) => `No figures in the ${span}`,
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

export const lost = { title: "There is no such page", back: "To the overview" };
