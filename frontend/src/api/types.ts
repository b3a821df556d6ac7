// Written by frontend/generate_types.py from watchkeeper/web/shapes.py: change that, then run it again.
// Times are milliseconds since the epoch, figures in base units; null is "not known".

/** Everything that can happen to a server or to ourselves and is worth a line in the journal. */
export type EventKind = "server_starting" | "server_started" | "server_adopted" | "server_exited" | "server_start_failed" | "server_stopping" | "server_stopped" | "server_restart_planned" | "probe_failed" | "probe_recovered" | "agent_started" | "agent_stopped" | "machine_connected" | "machine_lost" | "spool_overflowed" | "config_rejected" | "config_reloaded" | "action_requested" | "action_ended" | "hub_started" | "hub_stopped" | "store_repaired" | "store_full" | "stress_started" | "stress_ended";

/** Something that happened once, at an instant. `id` is unique, so telling it twice is harmless. `text` is one sentence for a person; `facts` are the same things for a program (`{"exit_code": "-9", "pid": "4711"}`). */
export interface Event {
  id: string;
  at: number;
  kind: EventKind;
  text: string;
  machine: string;
  server: string;
  severity: "critical" | "info" | "warning";
  facts: Record<string, string>;
}

export type Health = "down" | "unknown" | "up";

/** A watched computer, as its agent introduces it. `boot_at` is 0 where the system does not tell. */
export interface Machine {
  name: string;
  os: string;
  kernel: string;
  architecture: string;
  cpus: number;
  memory_bytes: number;
  boot_at: number;
  agent_version: string;
  agent_started_at: number;
}

/** How an action ended. `text` is one sentence for a person. */
export interface Outcome {
  action: string;
  at: number;
  ok: boolean;
  text: string;
}

/** Where a supervised server stands in its life cycle (`control/lifecycle.py` owns the transitions). */
export type ServerState = "stopped" | "waiting" | "starting" | "running" | "stopping" | "backoff" | "exited";

/** The last attempt of one probe. `why` is empty on success; `at` is 0 before the first attempt. */
export interface ProbeResult {
  name: string;
  kind: string;
  ok: boolean;
  at: number;
  duration: number;
  why: string;
}

/** Where one server stands now, as its agent sees it. `since` is when `state` was entered, `started_at` when the present process was spawned (0: none), `next_attempt_at` when the next start is due (0: none), `reason` why it is in this state, in words. */
export interface ServerStatus {
  name: string;
  driver: string;
  state: ServerState;
  health: "down" | "unknown" | "up";
  since: number;
  reason: string;
  pid: number;
  started_at: number;
  restarts: number;
  last_exit: string;
  next_attempt_at: number;
  probes: ProbeResult[];
}

export type Verb = "restart" | "start" | "stop";

/** Who is signed in. GET /api/session. */
export interface Person {
  name: string;
  role: string;
}

/** A one-time sign-in token, from the link printed at first start. POST /api/sign-in. */
export interface SignIn {
  token: string;
}

/** A machine's headline figures, newest values. */
export interface MachineFigures {
  cpu_ratio: number | null;
  memory_ratio: number | null;
  memory_used_bytes: number | null;
  memory_total_bytes: number | null;
  disk_ratio: number | null;
  disk_mountpoint: string | null;
  disk_free_bytes: number | null;
  load1: number | null;
  network_receive_bytes_per_second: number | null;
  network_transmit_bytes_per_second: number | null;
  uptime_seconds: number | null;
}

/** A machine as the page shows it. `health` is unknown while its agent is away; `seen_at` is its last word. */
export interface MachineView {
  machine: Machine;
  health: "down" | "unknown" | "up";
  connected: boolean;
  seen_at: number;
  period_seconds: number;
  figures: MachineFigures;
}

/** A server's headline figures, newest values, its children counted in. `cpu_ratio` 1.0 is one core. */
export interface ServerFigures {
  cpu_ratio: number | null;
  memory_bytes: number | null;
  threads: number | null;
  open_fds: number | null;
  max_fds: number | null;
  processes: number | null;
}

/** A server as the page shows it: the agent's word, with `health` unknown where the agent is away. */
export interface ServerView {
  machine: string;
  status: ServerStatus;
  health: "down" | "unknown" | "up";
  figures: ServerFigures;
}

/** The first screen: the sentence that answers "is anything wrong", then everything, worst first. GET /api/overview. */
export interface Overview {
  at: number;
  sentence: string;
  wrong: number;
  machines: MachineView[];
  servers: ServerView[];
  events: Event[];
}

/** One line of a chart: `average`, with the `least` and `most` of each step where a step holds several samples. */
export interface Line {
  name: string;
  average: (number | null)[];
  least: (number | null)[] | null;
  most: (number | null)[] | null;
}

/** A chart's data over a range. `unit` is one of ratio, bytes, bytes_per_second, seconds, count, per_second. GET /api/charts/{panel}?machine=&server=&start=&end=&points=. */
export interface Chart {
  panel: string;
  title: string;
  unit: string;
  about: string;
  start: number;
  end: number;
  step: number;
  times: number[];
  lines: Line[];
}

/** A chart that can be asked for: `scope` is machine or server. GET /api/panels, with ?machine=&server= a server's own. */
export interface PanelView {
  name: string;
  title: string;
  unit: string;
  about: string;
  scope: string;
}

/** What to do with a server. POST /api/machines/{machine}/servers/{server}/actions. */
export interface ActionAsk {
  verb: "restart" | "start" | "stop";
}

/** An action and, once it has ended, its outcome. GET /api/actions/{id}. */
export interface ActionView {
  id: string;
  at: number;
  machine: string;
  server: string;
  verb: "restart" | "start" | "stop";
  by: string;
  state: string;
  outcome: Outcome | null;
}

/** The last lines of a server's output. GET /api/machines/{machine}/servers/{server}/logs?lines=. */
export interface LogsView {
  lines: string[];
}

/** Every answer that is not a success: a stable `code`, a sentence, and what to do where we know it. */
export interface Problem {
  code: string;
  why: string;
  hint: string;
}

/** Browser to hub on /live: from now on send these panels' newest points (at most 32); replaces the last one. */
export interface Subscribe {
  type: "subscribe";
  panels?: string[];
  machine?: string;
  server?: string;
}

/** Browser to hub on /live: follow one server's output (an empty server: stop). */
export interface LogsFollow {
  type: "logs";
  machine?: string;
  server?: string;
  lines?: number;
}

/** The newest point of one panel: one value per line, by the line's name. */
export interface Point {
  panel: string;
  at: number;
  values: Record<string, number | null>;
}

/** Hub to browser on /live, when frames come in and at least every 2 s: everything small that may have changed. */
export interface Tick {
  type: "tick";
  at: number;
  sentence: string;
  wrong: number;
  machines: MachineView[];
  servers: ServerView[];
  points: Point[];
}

/** Hub to browser on /live, at once: an event came in. */
export interface News {
  type: "event";
  event: Event;
}

/** Hub to browser on /live, at once: an action was asked for or has ended. */
export interface ActionNews {
  type: "action";
  action: ActionView;
}

/** Hub to browser on /live: more lines of the followed server. */
export interface LogNews {
  type: "logs";
  machine: string;
  server: string;
  lines: string[];
  why: string;
}

/** Hub to browser on /live: the last message before the hub closes on purpose. */
export interface Farewell {
  type: "bye";
  reason: string;
}

export type FromBrowser = Subscribe | LogsFollow;

export type ToBrowser = Tick | News | ActionNews | LogNews | Farewell;

/** Events, newest first. `next` is the cursor of the page after (`before=`), empty on the last. GET /api/events. */
export interface EventsView {
  events: Event[];
  next: string;
}

/** Actions, newest first, paged as events are. GET /api/actions. */
export interface ActionsView {
  actions: ActionView[];
  next: string;
}

/** One series and its newest value, if it has one. GET /api/series?match=. */
export interface SeriesView {
  name: string;
  labels: Record<string, string>;
  at: number;
  value: number | null;
}

export type Words = string;

/** A stress run begins or is over; `outcome` its verdict, or why it has none. POST /api/stress/announcements. */
export interface StressAnnouncement {
  what: "ended" | "started";
  run: string;
  plan: string;
  target: string;
  machine?: string;
  server?: string;
  outcome?: string;
}

/** What runs here. GET /api/version. */
export interface VersionView {
  version: string;
  python: string;
}

/** A fresh one-time sign-in link: open it in a browser within the hour. POST /api/sign-in-links. */
export interface SignInLink {
  url: string;
  expires_at: number;
}
