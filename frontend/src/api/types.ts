// Written by frontend/generate_types.py from the shapes in watchkeeper/web: change those, then run it again.
// Times are milliseconds since the epoch, figures in base units; null is "not known".

/** Everything that can happen to a server or to ourselves and is worth a line in the journal. */
export type EventKind = "server_starting" | "server_started" | "server_adopted" | "server_exited" | "server_start_failed" | "server_stopping" | "server_stopped" | "server_restart_planned" | "server_warned" | "keeper_lost" | "keeper_replaced" | "probe_failed" | "probe_recovered" | "agent_started" | "agent_stopped" | "machine_connected" | "machine_lost" | "spool_overflowed" | "config_rejected" | "config_reloaded" | "action_requested" | "action_ended" | "hub_started" | "hub_stopped" | "store_repaired" | "store_full" | "channel_failing" | "channel_recovered" | "notification_failed" | "heartbeat_up" | "heartbeat_late" | "heartbeat_down" | "machine_rebooted" | "alert_fired" | "alert_resolved" | "alert_unknown" | "alert_missed" | "incident_changed" | "mark" | "server_waiting" | "server_held" | "server_busy" | "server_hung" | "server_lives" | "server_paused" | "server_resumed" | "load_expected" | "limit_exceeded" | "limit_kept" | "restart_missed" | "evidence_saved" | "person_needed" | "log_flooded" | "log_calm" | "stress_started" | "stress_phase" | "stress_ended" | "drill_started" | "drill_ended";

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

export type HeartbeatState = "down" | "late" | "new" | "up";

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

/** Where one server stands now, as its agent sees it. `since` is when `state` was entered, `started_at` when the present process was spawned (0: none), `next_attempt_at` when the next start is due (0: none), `reason` why it is in this state, in words. `liveness` is what its signs of life tell (empty: nothing is known), with the reason in `liveness_why`, and `says` is what it says of itself. `paused_until` is 0 when it is not paused, -1 when it is until somebody resumes it. `asks` is what a person must decide, `restart_at` the next restart by its schedule (0: none), `allowed` what its agent lets a hub do, `stress` where its operator lets it be put under load (`protocol url` each; none: nowhere). */
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
  group: string;
  liveness: "" | "busy" | "fine" | "hung";
  liveness_why: string;
  says: string;
  paused_until: number;
  paused_why: string;
  asks: string;
  restart_at: number;
  allowed: ("drill" | "expect" | "pause" | "restart" | "resume" | "start" | "stop")[];
  stress: string[];
}

export type Severity = "critical" | "info" | "warning";

export type Verb = "drill" | "expect" | "pause" | "restart" | "resume" | "start" | "stop";

/** How one second of a run went. `second` of the run; times in seconds, null where nothing was done or nobody answered. */
export interface StressSecond {
  second: number;
  stage: number;
  name: string;
  kind: string;
  due: number;
  done: number;
  failed: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  connections: number;
}

/** Where an alert stands. UNKNOWN: nobody can tell at present, which neither resolves nor fires it. */
export type AlertState = "pending" | "firing" | "unknown" | "resolved";

/** One rule that holds for one set of labels, from its first instant to its end; `id` lasts as long. `labels` hold `alertname` and `severity`; `reason` says why it is in this state. `suppressed` is empty, or why nobody is told at present (`inhibited by HostSilent`, `silenced by …`). `incident` is the id of the one it belongs to; `rule` is the rule's key, its name first (`DiskLow/warning`). */
export interface Alert {
  id: string;
  rule: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: AlertState;
  severity: "critical" | "info" | "warning";
  value: number;
  active_at: number;
  fired_at: number;
  resolved_at: number;
  changed_at: number;
  reason: string;
  suppressed: string;
  incident: string;
}

export type NotificationState = "claimed" | "delivered" | "failed" | "superseded" | "waiting";

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

/** The last hour of every machine: how busy its processors were (ratio), from `start` every `step` ms. GET /api/sparks. */
export interface Sparks {
  start: number;
  step: number;
  machines: Record<string, (number | null)[]>;
}

/** A chart that can be asked for: `scope` is machine or server. GET /api/panels, with ?machine=&server= a server's own. */
export interface PanelView {
  name: string;
  title: string;
  unit: string;
  about: string;
  scope: string;
}

/** What to do with a server. POST /api/machines/{machine}/servers/{server}/actions. `reason` goes into the audit; `seconds` is how long to pause it (0: until it is resumed) or to expect heavy work of it; a `dry_run` is answered with what would happen. */
export interface ActionAsk {
  verb: "drill" | "expect" | "pause" | "restart" | "resume" | "start" | "stop";
  reason?: string;
  seconds?: number;
  dry_run?: boolean;
}

/** An action and, once it has ended, its outcome. GET /api/actions/{id}. */
export interface ActionView {
  id: string;
  at: number;
  machine: string;
  server: string;
  verb: "drill" | "expect" | "pause" | "restart" | "resume" | "start" | "stop";
  by: string;
  state: string;
  outcome: Outcome | null;
  reason: string;
  seconds: number;
  dry_run: boolean;
}

/** What became of an order to one server of a group: its action, or why there is none (`why`). */
export interface GroupAnswer {
  server: string;
  action: ActionView | null;
  why: string;
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

/** Browser to hub on /live: from now on send these panels' newest points (at most 32); replaces the last one. `changes`: ticks need hold only those machines and servers that have changed since the one before. `shown`: the machines (at most 300) whose figures are on the page; of all others only how they stand is told, and that only with `changes`. None: all are. */
export interface Subscribe {
  type: "subscribe";
  panels?: string[];
  machine?: string;
  server?: string;
  changes?: boolean;
  shown?: string[] | null;
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

/** Hub to browser on /live, when frames come in and at least every 2 s: everything small that may have changed. `partial`: machines and servers that are not there are as they were. `spoke_at`: when any machine was last heard, ms, 0 for never; `spoke_every`: how often that one speaks, in seconds. */
export interface Tick {
  type: "tick";
  at: number;
  sentence: string;
  wrong: number;
  machines: MachineView[];
  servers: ServerView[];
  points: Point[];
  partial: boolean;
  spoke_at: number;
  spoke_every: number;
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

/** Hub to browser on /live, at once: an alert has changed. */
export interface AlertNews {
  type: "alert";
  alert: Alert;
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

/** Hub to browser on /live: a stress run has gone on (`seconds`, the new ones), or is over; `ended_by` wants it ended. */
export interface StressNews {
  type: "stress";
  run: string;
  machine: string;
  server: string;
  plan: string;
  phase: string;
  seconds: StressSecond[];
  over: boolean;
  outcome: string;
  ended_by: string;
}

export type FromBrowser = Subscribe | LogsFollow;

export type ToBrowser = Tick | News | ActionNews | AlertNews | LogNews | StressNews | Farewell;

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

/** A way to tell people, and how it stands. `failures` in a row; `why` the last of them. GET /api/channels. */
export interface ChannelView {
  name: string;
  kind: string;
  fallback: string;
  queue: number;
  oldest_at: number;
  last_success_at: number;
  failures: number;
  why: string;
}

/** A message for one channel and how far it has come. `after` is what it replaces (fall-back). GET /api/notifications. */
export interface NotificationView {
  id: string;
  at: number;
  channel: string;
  state: "claimed" | "delivered" | "failed" | "superseded" | "waiting";
  subject: string;
  severity: "critical" | "info" | "warning";
  incident: string;
  attempts: number;
  ended_at: number;
  why: string;
  receipt: string;
  after: string;
}

/** Notifications, newest first, paged as events are. GET /api/notifications. */
export interface NotificationsView {
  notifications: NotificationView[];
  next: string;
}

/** A heartbeat that is expected, and how it stands. GET /api/heartbeats. `url` is where it is sent, empty for those who may only look. `until` is when its state changes if nothing comes (0: never); `lasted` how long its last run took (ms). `configured`: it stands in the configuration. */
export interface HeartbeatView {
  name: string;
  expected: string;
  state: "down" | "late" | "new" | "up";
  since: number;
  reason: string;
  until: number;
  last_at: number;
  lasted: number;
  exit_status: number;
  body: string;
  configured: boolean;
  url: string;
}

/** A heartbeat to expect: every `period` (`1d`) or by `cron` in `zone`, with `grace`. POST /api/heartbeats. */
export interface HeartbeatAsk {
  name: string;
  period?: string;
  cron?: string;
  zone?: string;
  grace?: string;
  longest?: string;
}

/** One condition on a label; `__name__` is the metric's name. Regular expressions are anchored, as in Prometheus. */
export interface Matcher {
  label: string;
  op: "!=" | "!~" | "=" | "=~";
  value: string;
}

/** One step of an alert, as its history has it. `state` `inactive`: it was pending and did not last. */
export interface AlertChange {
  alert: string;
  at: number;
  state: "firing" | "inactive" | "pending" | "recovering" | "resolved" | "unknown";
  reason: string;
  value: number;
}

/** What a person has to say about an incident. */
export interface Comment {
  at: number;
  by: string;
  text: string;
}

/** One leg of the way from a fault to a person, reached at `at` (ms). `text` says what was seen there. `name`: fault, detected, pending, firing, claimed, handed-over, delivered, acknowledged, reverted, resolved, told; those from claimed to delivered, and told, are each `channel`'s own. */
export interface DrillLeg {
  name: string;
  at: number;
  text: string;
  channel: string;
}

/** One drill: a real, harmless fault, and how far the word of it came. Times are ms, 0 = not (yet). `machine` and `server` are whom the fault is done to; `channels` over which it is told (none: as routes say). `fault` is what was done, in words, `rule` and `summary` of the alert that it led to. `wait_acknowledge`: how long, in ms, a person was waited for. `why` is empty, or why it has failed. */
export interface Drill {
  id: string;
  at: number;
  scenario: string;
  by: string;
  state: "failed" | "interrupted" | "passed" | "preparing" | "running";
  machine: string;
  server: string;
  channels: string[];
  fault: string;
  rule: string;
  summary: string;
  incident: string;
  legs: DrillLeg[];
  wait_acknowledge: number;
  ended_at: number;
  why: string;
}

/** Alerts that belong together, from the first that fires to the end of the last. `key` is the group that they share. `alerts` are ids, the oldest first; `title` is one line for a person. */
export interface Incident {
  id: string;
  key: string;
  title: string;
  severity: "critical" | "info" | "warning";
  state: "acknowledged" | "open" | "resolved";
  opened_at: number;
  alerts: string[];
  machine: string;
  server: string;
  acknowledged_by: string;
  acknowledged_at: number;
  assigned_to: string;
  resolved_at: number;
  drill: boolean;
}

/** Alerts; with `next`, the cursor of the page after, as events have it. GET /api/alerts, GET /api/alerts/history. */
export interface AlertsView {
  alerts: Alert[];
  next: string;
}

/** A rule and how it stands. GET /api/rules. `dormant` is empty, or says what it waits for: no series of what it reads has been seen. `judged` says how: `on arrival` or `every 15s`. `fault` is why its last evaluation failed, `at` when that was (ms, 0: none yet), `seconds` what it took. */
export interface RuleView {
  key: string;
  name: string;
  kind: "alert" | "record";
  expr: string;
  group: string;
  severity: "critical" | "info" | "warning";
  stock: boolean;
  where: string;
  judged: string;
  for_seconds: number;
  keep_firing_for_seconds: number;
  clear: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  parameters: Record<string, number | string>;
  why: string;
  first: string;
  runbook: string;
  dormant: string;
  fault: string;
  at: number;
  seconds: number;
  alerts: number;
}

/** One alert with its steps, its incident and its rule. GET /api/alerts/{id}. */
export interface AlertDetail {
  alert: Alert;
  history: AlertChange[];
  incident: Incident | null;
  rule: RuleView | null;
}

/** Something on an incident's timeline. `kind`: alert, event, action, comment or people; `what` is more exact. */
export interface TimelineEntry {
  at: number;
  kind: "action" | "alert" | "comment" | "event" | "people";
  what: string;
  text: string;
  machine: string;
  server: string;
  alert: string;
}

/** Incidents, newest first, paged as events are. GET /api/incidents. */
export interface IncidentsView {
  incidents: Incident[];
  next: string;
}

/** One incident: its alerts, what people said, and everything in one order. GET /api/incidents/{id}. */
export interface IncidentDetail {
  incident: Incident;
  alerts: Alert[];
  comments: Comment[];
  timeline: TimelineEntry[];
}

/** Who is to look after an incident (empty: nobody). POST /api/incidents/{id}/assign. */
export interface AssignAsk {
  to: string;
}

/** What there is to say about an incident. POST /api/incidents/{id}/comments. */
export interface CommentAsk {
  text: string;
}

/** A silence. `state` is pending, active or expired; `alerts` how many it keeps quiet now. GET /api/silences. */
export interface SilenceView {
  id: string;
  matchers: Matcher[];
  starts_at: number;
  ends_at: number;
  author: string;
  comment: string;
  state: string;
  alerts: number;
}

/** Tell nobody of alerts whose labels match all `matchers` (`machine="db-1"`), for so many seconds. POST /api/silences. `starts_at` 0: from now on. */
export interface SilenceAsk {
  matchers: string[];
  seconds: number;
  comment?: string;
  starts_at?: number;
}

/** Something was changed: a deployment, a migration. POST /api/marks. */
export interface MarkAsk {
  text: string;
  machine?: string;
  server?: string;
}

/** A rule to be replayed over stored history: a known one by `rule` (its name or key), or one that is written here. `where` is file and line, for whoever is told of it; `expr`, `for_seconds`, `keep_firing_for_seconds` and `clear` are as in a rule; `since_seconds` is how far back. Of a known one `set` are other parameters and `for_seconds` another hold (0: its own), to see what a `[[tune]]` would do. POST /api/rules/test. */
export interface RuleAsk {
  rule?: string;
  expr?: string;
  for_seconds?: number;
  keep_firing_for_seconds?: number;
  clear?: string;
  severity?: "critical" | "info" | "warning";
  since_seconds?: number;
  where?: string;
  set?: Record<string, number | string>;
}

/** When a rule would have fired: from `since` to `until` (ms; `ongoing`: it still did at the end). */
export interface Firing {
  labels: Record<string, string>;
  since: number;
  until: number;
  ongoing: boolean;
  value: number;
}

/** What a rule would have done. `messages`: those that the root route would have sent. `step_seconds` is how finely it looked; `firings` are the first thousand, `fired` all of them. */
export interface BackTest {
  rule: string;
  expr: string;
  start: number;
  end: number;
  step_seconds: number;
  series: number;
  fired: number;
  firing_seconds: number;
  messages: number;
  firings: Firing[];
}

/** What is wrong with a rule, or looks wrong. POST /api/rules/check. */
export interface RuleFinding {
  rule: string;
  where: string;
  problem: string;
}

/** A kind of fault that a drill can do. `unavailable` is empty, or why it cannot be done here. GET /api/drills/scenarios. */
export interface ScenarioView {
  name: string;
  about: string;
  rules: string[];
  unavailable: string;
}

/** A drill to begin. POST /api/drills. `machine` and `server` are for the scenario `server` alone, with `yes_really`. It is told over `channels` (none: as routes say); `acknowledge_seconds` is how long a person is waited for. */
export interface DrillAsk {
  scenario?: string;
  channels?: string[];
  machine?: string;
  server?: string;
  acknowledge_seconds?: number;
  yes_really?: boolean;
}

/** A drill, and how far the word came (`proof`, in words). GET /api/drills/{id}. */
export interface DrillView {
  drill: Drill;
  proof: string;
}

/** Drills, newest first; `next_at` is when the schedule begins another (ms; 0: never). GET /api/drills. */
export interface DrillsView {
  drills: DrillView[];
  running: string;
  next_at: number;
  next: string;
}

/** That evidence was saved, from the journal. GET /api/evidence; all of it by GET /api/machines/{machine}/evidence/{id}. */
export interface EvidenceView {
  id: string;
  at: number;
  machine: string;
  server: string;
  why: string;
  bytes: number;
  seconds: number;
}

/** What was saved, newest first, paged as events are. GET /api/evidence. */
export interface EvidenceList {
  evidence: EvidenceView[];
  next: string;
}

/** One part of evidence: what it is, and the text. */
export interface EvidencePiece {
  title: string;
  text: string;
}

/** What a server was doing before something was done to it. `missing` could not be had in the time there was. */
export interface EvidenceFile {
  id: string;
  at: number;
  server: string;
  pid: number;
  why: string;
  seconds: number;
  sections: EvidencePiece[];
  missing: string[];
}

export type Role = "admin" | "operator" | "viewer";

export type TokenKind = "admin" | "link" | "operator" | "viewer" | "write";

export type PersonName = string;

export type Typed = string;

export type Label = string;

export type Browsers = string;

/** A name and its password, and the code of the moment where one is asked for. POST /api/sign-in/password. */
export interface SignInByPassword {
  name: string;
  password: string;
  code?: string;
}

/** What the browser is to ask its passkeys: the JSON form of WebAuthn's options. */
export interface PasskeyAsk {
  options: string;
}

/** What a passkey answered: the JSON form of WebAuthn's credential. POST /api/sign-in/passkey. */
export interface PasskeyProof {
  credential: string;
}

/** A passkey that the browser has just made, and what its person calls it. POST /api/account/passkeys. */
export interface NewPasskey {
  credential: string;
  name: string;
}

/** One of one's own passkeys. */
export interface PasskeyView {
  id: string;
  name: string;
  created_at: number;
  used_at: number;
}

/** A session. `mine`: it is the one that asks; `browser` is what it calls itself. */
export interface SessionView {
  id: string;
  person: string;
  method: string;
  peer: string;
  browser: string;
  created_at: number;
  seen_at: number;
  mine: boolean;
}

/** Who is signed in, and what proves them. GET /api/account. */
export interface Account {
  name: string;
  role: string;
  password: boolean;
  codes: boolean;
  passkeys: PasskeyView[];
  sessions: SessionView[];
}

/** One's password, asked for again before what proves one is changed; empty for who has none. */
export interface Confirmation {
  password?: string;
}

/** Another password for oneself; `current` is the present one, empty for who has none. POST /api/account/password. */
export interface PasswordChange {
  wanted: string;
  current?: string;
}

/** A fresh key for one-time codes: as text, as the address that apps read, and as a picture (data address of an SVG). */
export interface NewCodes {
  key: string;
  address: string;
  picture: string;
}

/** A first code, which shows that the app has the key. POST /api/account/codes/proof. */
export interface CodeProof {
  code: string;
}

/** A person as admins see them: which proofs they have, never the proofs. GET /api/people. */
export interface PersonView {
  name: string;
  role: string;
  created_at: number;
  entered_at: number;
  password: boolean;
  codes: boolean;
  passkeys: number;
  sessions: number;
}

/** Somebody new; with a password, or with none until they come by a link. POST /api/people. */
export interface NewPerson {
  name: string;
  role?: "admin" | "operator" | "viewer";
  password?: string;
}

/** What a person may do from now on. POST /api/people/{name}/role. */
export interface RoleAsk {
  role: "admin" | "operator" | "viewer";
}

/** A person's password from now on, given by an admin. POST /api/people/{name}/password. */
export interface PasswordAsk {
  password: string;
}

/** A program's token. `local`: it stands in a file of the hub's data folder. GET /api/tokens. */
export interface TokenView {
  name: string;
  kind: string;
  created_at: number;
  expires_at: number;
  used_at: number;
  made_by: string;
  local: boolean;
}

/** A token for a program: a role (`admin`, `operator`, `viewer`), `link` for agents or `write` for writing figures alone. `days` until it ends; 0: until it is taken back. POST /api/tokens. */
export interface NewToken {
  name: string;
  kind?: "admin" | "link" | "operator" | "viewer" | "write";
  days?: number;
}

/** A fresh token; `secret` is shown this once. */
export interface MadeToken {
  name: string;
  kind: string;
  secret: string;
  expires_at: number;
}

/** Who did what, and from where. GET /api/audit. */
export interface AuditView {
  at: number;
  by: string;
  peer: string;
  what: string;
  about: string;
  why: string;
  outcome: string;
}

/** What a program of ours costs: `cpu_ratio` 1.0 is one core, the mean of the last minutes; null is "not known". */
export interface ProgramCost {
  program: string;
  machine: string;
  cpu_ratio: number | null;
  memory_bytes: number | null;
}

/** How long things are kept, in seconds, and how much disk figures may take; `elsewhere`: another store keeps them. */
export interface Retention {
  raw: number;
  first: number;
  hourly: number;
  journal: number;
  budget_bytes: number;
  keep_free_bytes: number;
  elsewhere: boolean;
}

/** What the hub keeps and what watching costs. GET /api/upkeep. */
export interface HubUpkeep {
  version: string;
  address: string;
  loopback: boolean;
  machines: number;
  series: number | null;
  store_bytes: number | null;
  retention: Retention;
  costs: ProgramCost[];
}

/** One file of a run: its name (`report/latency.hlog` below a folder), bytes, media type. */
export interface StressFile {
  name: string;
  bytes: number;
  kind: string;
}

/** An objective, and what was observed: `held` None when it could not be judged, with the reason in `why`. */
export interface Held {
  objective: string;
  observed: number | null;
  held: boolean | null;
  why: string;
}

/** Whether the generator was good enough for what was measured; `reasons` in words. `starved`: share of the time. */
export interface Validity {
  ok: boolean;
  reasons?: string[];
  starved?: number;
  lag_p99?: number;
}

/** How a stage ended, with its totals. Latencies in seconds; quantiles are None where there were too few values. `decision` is what the decider said of it (`holds`, `broken: p99 < 50ms`, `recovered`), `drained` whether everything that was started had an end before the next stage. */
export interface Ended {
  stage: number;
  began: number;
  ended: number;
  scheduled?: number;
  started?: number;
  done?: number;
  late?: number;
  dropped?: number;
  errors?: Record<string, number>;
  counts?: Record<string, number>;
  offered?: number;
  achieved?: number;
  quantiles?: Record<string, number>;
  service?: Record<string, number>;
  clean?: Record<string, number>;
  objectives?: Held[];
  validity?: Validity;
  decision?: string;
  drained?: boolean;
  cut_short?: string;
  missing?: Record<string, number>;
  behind?: number | null;
}

/** What one worker can do here: processor seconds for an operation against a target that answers at once. */
export interface Calibration {
  cpu_per_operation: number;
  ceiling: number;
  against?: string;
}

/** What the search found. Rates are starts a second (open model), or users (closed). `sustained` is the highest level that met the objectives, `broken` the lowest that did not (0: none was reached, and why). `power` is the level with the most throughput per time (J. Kleinrock, 1979): the knee by the curve. */
export interface Knee {
  sustained: number;
  broken?: number;
  power?: number;
  achieved?: number;
  why?: string;
}

/** How it came back after an overload. `seconds` None: not within `limit`. `metastable`: the load was gone, and the failure went on by itself. */
export interface Recovery {
  after: string;
  seconds: number | null;
  limit: number;
  baseline_p95?: number;
  metastable?: boolean;
  text?: string;
}

/** Another machine that made a part of the load: its `workers` by number, and how its clock stood to the run's. `ahead_ns`: how far its monotonic clock was ahead; `bound_ns`: by how much that may be wrong at the most; `drift_ns`: how far the two had moved against each other at the end. All instants of the record were brought to the run's clock. */
export interface Origin {
  machine: string;
  workers: number[];
  ahead_ns?: number;
  bound_ns?: number;
  drift_ns?: number;
}

/** A run as a whole: `run.json`. */
export interface Run {
  id: string;
  plan: string;
  protocol: string;
  target: string;
  started_at: number;
  format?: number;
  state?: "aborted" | "broken" | "done" | "running";
  why?: string;
  verdict?: "" | "fail" | "invalid" | "pass";
  reasons?: string[];
  ended_at?: number;
  pid?: number;
  server?: string;
  machine?: string;
  consent?: string;
  address?: string;
  command?: string[];
  seed?: number;
  version?: string;
  workers?: number;
  operations?: string[];
  plan_hash?: string;
  environment?: Record<string, string>;
  calibration?: Calibration | null;
  objectives?: Held[];
  knees?: Knee[];
  recoveries?: Recovery[];
  origins?: Origin[];
  notes?: string[];
}

/** So many seconds during which the rate (starts a second, all workers together) goes evenly from one value to another. */
export type Segment = [number, number, number];

/** One piece of a run under one load. A phase of the plan is one or more of these: a search for the knee is many. `kind` is the phase's kind, `name` tells it from others for a person (`steps 1200/s`), `level` is what `kind` varies: a rate (open model) or users (closed). `excluded`: not to be counted, as a warm-up. */
export interface Stage {
  index: number;
  phase: number;
  kind: string;
  name: string;
  seconds: number;
  model?: "closed" | "open";
  arrival?: "even" | "poisson";
  profile?: Segment[];
  users?: number;
  level?: number;
  connections?: number;
  cut?: boolean;
  excluded?: boolean;
  operations?: string[];
  reading?: number;
  wanted?: number;
}

/** The resource that was full first: since when (s into the run), in which stage, and how full at that moment. `value` and `limit` are in `unit`; `text` says it in words. */
export interface Saturated {
  resource: string;
  at: number;
  stage: string;
  value: number;
  limit: number;
  unit: string;
  text: string;
}

/** What one more costs, with its 95 % interval; `value` None where it could not be told, and `why`. */
export interface Cost {
  value: number | null;
  low: number;
  high: number;
  points: number;
  why: string;
}

/** An alert that was firing during the run. Lags in seconds. `lag`: from when its condition began to hold until it fired; `after_load`: from the beginning of the stage that was run when its condition began to hold; `to_resolve`: from firing to resolved (None: it was not yet). */
export interface Fired {
  name: string;
  severity: string;
  stage: string;
  fired_at: number;
  lag: number;
  after_load: number | null;
  to_resolve: number | null;
  text: string;
}

/** What is known of the server's side: `serverside.json`. `sources` are who said it, `notes` what a reader must know. */
export interface ServerSide {
  saturated: Saturated[];
  why: string;
  bytes_per_connection: Cost;
  seconds_per_message: Cost;
  alerts: Fired[];
  restarts: number;
  hangs: number;
  subject: Record<string, string>;
  sources: string[];
  notes: string[];
}

export type What = "again" | "ended" | "phase" | "started";

export type Words = string;

/** A stress run begins, comes to another phase, or is over; `outcome` its verdict, or why it has none. `again`: it goes on, and the hub that knew of it has begun anew. POST /api/stress/announcements. */
export interface StressAnnouncement {
  what: "again" | "ended" | "phase" | "started";
  run: string;
  plan: string;
  target: string;
  machine?: string;
  server?: string;
  outcome?: string;
  phase?: string;
  pid?: number;
}

/** How a run went since its last word. POST /api/stress/progress. */
export interface StressProgress {
  run: string;
  seconds?: StressSecond[];
  said?: string[];
}

/** The answer to it: `ended_by` is who wants the run ended; empty while it may go on. */
export interface StressOrder {
  ended_by: string;
}

/** A plan that can be started: what it does in a sentence, the kinds of its phases in order, and all of it as TOML. GET /api/stress/plans. */
export interface StressPlan {
  name: string;
  about: string;
  phases: string[];
  toml: string;
  built_in: boolean;
}

/** A supervised server and where it may be put under load (`protocol url`); none: it has not agreed. GET /api/stress/targets. */
export interface StressTarget {
  machine: string;
  server: string;
  health: string;
  addresses: string[];
}

/** A run in the list. `state`: running, done, aborted, broken, or died (its process is gone). GET /api/stress/runs. `going`: it tells this hub how it goes and can be ended from here; `recorded`: its folder is on this hub's machine. */
export interface StressRunView {
  id: string;
  plan: string;
  target: string;
  machine: string;
  server: string;
  state: string;
  verdict: string;
  why: string;
  started_at: number;
  ended_at: number;
  by: string;
  phase: string;
  going: boolean;
  recorded: boolean;
}

/** A stage: when it began (s into the run), what it was, how it ended; null while it goes on. */
export interface StressStageView {
  at: number;
  stage: Stage;
  ended: Ended | null;
}

/** A run, whole. `run` is null where its record is on another machine. GET /api/stress/runs/{run}. */
export interface StressRunDetail {
  view: StressRunView;
  run: Run | null;
  stages: StressStageView[];
  serverside: ServerSide | null;
  files: StressFile[];
}

/** How a run goes: the seconds after `since` that are remembered, and what it has said. GET /api/stress/runs/{run}/progress; the same comes as `stress` messages on /live. */
export interface StressFollowed {
  view: StressRunView;
  seconds: StressSecond[];
  said: string[];
}

/** Put a consenting server under load. POST /api/stress/runs. `plan` is a built-in one's name, or that of a file in `DATA/stress/plans`. What is left out is as the plan has it: `connections`, `objectives`, `max_rate` (starts a second), `max_connections`, `max_time` (seconds), `seed`, `protocol`. `machines`: whose agents make the load; none: the hub's own machine does. */
export interface StressStart {
  plan: string;
  machine: string;
  server: string;
  protocol?: string;
  connections?: number;
  objectives?: string[];
  max_rate?: number;
  max_connections?: number;
  max_time?: number;
  seed?: number;
  machines?: string[];
}
