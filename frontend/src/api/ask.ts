// Every question to the hub over HTTP: typed answers, and a `Problem` where it says no.
import type {
  ActionAsk,
  ActionView,
  AlertDetail,
  AlertsView,
  AssignAsk,
  BackTest,
  ChannelView,
  Chart,
  Comment,
  CommentAsk,
  DrillAsk,
  DrillsView,
  DrillView,
  EventsView,
  EvidenceFile,
  EvidenceList,
  Incident,
  IncidentDetail,
  IncidentsView,
  LogsView,
  NotificationsView,
  NotificationView,
  Overview,
  PanelView,
  Person,
  Problem,
  RuleAsk,
  RuleView,
  ScenarioView,
  SignIn,
  SilenceAsk,
  SilenceView,
  Sparks,
  StressFollowed,
  StressPlan,
  StressRunDetail,
  StressRunView,
  StressStart,
  StressTarget,
} from "./types.ts";

/** The hub's refusal, or our own words when it could not be asked at all. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, problem: Problem) {
    super(problem.why);
    this.name = "Refusal";
    this.status = status;
    this.code = problem.code;
    this.hint = problem.hint;
  }
}

const PATIENCE = 10_000; // ms; a hub that is silent for longer is as good as away
// What the hub itself waits for, an agent or a server that stops slowly, is waited for a little longer than the hub does.
const ORDERED = 40_000;
const FETCHED = 30_000;
const READ = 15_000;

let toSignedOut: () => void = () => undefined;

/** Have `ear` called when the hub answers that nobody is signed in any more. */
export function hearSignedOut(ear: () => void): void {
  toSignedOut = ear;
}

/** Ask the hub; raises `Refusal`. */
export async function ask<T>(path: string, body?: unknown, method = body === undefined ? "GET" : "POST", patience = PATIENCE): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      signal: AbortSignal.timeout(patience),
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refusal(0, { code: "unreachable", why: "The hub does not answer.", hint: "" });
  }
  const text = await answer.text();
  if (answer.ok) return (text === "" ? null : JSON.parse(text)) as T;
  const problem = problemIn(text, answer);
  if (problem.code === "not-signed-in") toSignedOut();
  throw new Refusal(answer.status, problem);
}

function problemIn(text: string, answer: Response): Problem {
  try {
    const said = JSON.parse(text) as Partial<Problem> & { error?: string; errorType?: string };
    if (typeof said.error === "string") return { code: said.errorType ?? "", why: said.error, hint: "" }; // Prometheus' envelope
    if (typeof said.why === "string") return { code: said.code ?? "", why: said.why, hint: said.hint ?? "" };
  } catch {
    // not ours: a proxy's page, say; the status line has to do
  }
  return { code: `http-${answer.status}`, why: `The hub answered ${answer.status} ${answer.statusText}.`, hint: "" };
}

/** Words as a query; empty ones are left out. */
export function query(words: Record<string, string | number>): string {
  const said = Object.entries(words).filter(([, value]) => value !== "");
  return said.length === 0 ? "" : `?${new URLSearchParams(said.map(([name, value]) => [name, String(value)]))}`;
}

/** What happened to a server when it was ended or started. */
const ENDS = ["server_exited", "server_start_failed", "server_stopped", "server_started", "server_hung", "machine_rebooted"];
const incidentAddress = (incident: string) => `/api/incidents/${encodeURIComponent(incident)}`;
const serverAddress = (machine: string, server: string) =>
  `/api/machines/${encodeURIComponent(machine)}/servers/${encodeURIComponent(server)}`;

export const hub = {
  session: () => ask<Person>("/api/session"),
  keepSession: () => ask<Person>("/api/session", {}),
  signIn: (token: string) => ask<Person>("/api/sign-in", { token } satisfies SignIn),
  signOut: () => ask<unknown>("/api/sign-out", {}),
  overview: () => ask<Overview>("/api/overview"),
  panels: () => ask<PanelView[]>("/api/panels"),
  ownPanels: (machine: string, server: string) => ask<PanelView[]>(`/api/panels${query({ machine, server })}`),
  events: (machine: string, server: string, limit: number) => ask<EventsView>(`/api/events${query({ machine, server, limit })}`),
  happened: (machine: string, server: string, since: number, until: number, limit: number) =>
    ask<EventsView>(`/api/events${query({ machine, server, since: Math.round(since), until: Math.round(until), limit })}`),
  ends: (machine: string, server: string, limit: number) =>
    ask<EventsView>(`/api/events${query({ machine, server, limit })}&${ENDS.map((kind) => `kind=${kind}`).join("&")}`),
  chart: (panel: string, machine: string, server: string, start: number, end: number, points: number) =>
    ask<Chart>(`/api/charts/${encodeURIComponent(panel)}${query({ machine, server, start, end, points })}`),
  logs: (machine: string, server: string, lines: number) =>
    ask<LogsView>(`${serverAddress(machine, server)}/logs${query({ lines })}`, undefined, "GET", READ),
  act: (machine: string, server: string, verb: ActionAsk["verb"]) =>
    ask<ActionView>(`${serverAddress(machine, server)}/actions`, { verb } satisfies ActionAsk, "POST", ORDERED),
  sparks: () => ask<Sparks>("/api/sparks"),
  alerts: () => ask<AlertsView>("/api/alerts"),
  alert: (id: string) => ask<AlertDetail>(`/api/alerts/${encodeURIComponent(id)}`),
  incidents: (state: string, limit: number, before = "") => ask<IncidentsView>(`/api/incidents${query({ state, limit, before })}`),
  incident: (id: string) => ask<IncidentDetail>(incidentAddress(id)),
  acknowledge: (id: string) => ask<Incident>(`${incidentAddress(id)}/acknowledge`, {}),
  handBack: (id: string) => ask<Incident>(`${incidentAddress(id)}/acknowledge`, undefined, "DELETE"),
  assign: (id: string, to: string) => ask<Incident>(`${incidentAddress(id)}/assign`, { to } satisfies AssignAsk),
  comment: (id: string, text: string) => ask<Comment>(`${incidentAddress(id)}/comments`, { text } satisfies CommentAsk),
  silences: () => ask<SilenceView[]>("/api/silences"),
  silence: (wanted: SilenceAsk) => ask<SilenceView>("/api/silences", wanted),
  endSilence: (id: string) => ask<SilenceView>(`/api/silences/${encodeURIComponent(id)}`, undefined, "DELETE"),
  notifications: (incident: string, limit: number) => ask<NotificationsView>(`/api/notifications${query({ incident, limit })}`),
  rules: () => ask<RuleView[]>("/api/rules"),
  testRule: (wanted: RuleAsk) => ask<BackTest>("/api/rules/test", wanted, "POST", 60_000),
  channels: () => ask<ChannelView[]>("/api/channels"),
  testChannel: (name: string) => ask<NotificationView>(`/api/channels/${encodeURIComponent(name)}/test`, {}, "POST", 60_000),
  scenarios: () => ask<ScenarioView[]>("/api/drills/scenarios"),
  drills: (limit: number) => ask<DrillsView>(`/api/drills${query({ limit })}`),
  startDrill: (wanted: DrillAsk) => ask<DrillView>("/api/drills", wanted),
  callOffDrill: (id: string) => ask<DrillView>(`/api/drills/${encodeURIComponent(id)}`, undefined, "DELETE"),
  stressPlans: () => ask<StressPlan[]>("/api/stress/plans"),
  stressTargets: () => ask<StressTarget[]>("/api/stress/targets"),
  stressRuns: (limit: number) => ask<StressRunView[]>(`/api/stress/runs${query({ limit })}`),
  stressRun: (run: string) => ask<StressRunDetail>(`/api/stress/runs/${encodeURIComponent(run)}`),
  followStress: (run: string, since: number) => ask<StressFollowed>(`/api/stress/runs/${encodeURIComponent(run)}/progress${query({ since })}`),
  startStress: (wanted: StressStart) => ask<StressRunView>("/api/stress/runs", wanted, "POST", 60_000),
  abortStress: (run: string) => ask<StressRunView>(`/api/stress/runs/${encodeURIComponent(run)}/abort`, {}),
  evidenceList: (machine: string, server: string, limit: number) => ask<EvidenceList>(`/api/evidence${query({ machine, server, limit })}`),
  evidence: (machine: string, id: string) =>
    ask<EvidenceFile>(`/api/machines/${encodeURIComponent(machine)}/evidence/${encodeURIComponent(id)}`, undefined, "GET", FETCHED),
};
