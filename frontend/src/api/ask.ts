// Every question to the hub over HTTP: typed answers, and a `Problem` where it says no.
import type { ActionAsk, ActionView, Chart, EventsView, LogsView, Overview, PanelView, Person, Problem, SignIn } from "./types.ts";

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

async function ask<T>(path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      signal: AbortSignal.timeout(PATIENCE),
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refusal(0, { code: "unreachable", why: "The hub does not answer.", hint: "" });
  }
  const text = await answer.text();
  if (answer.ok) return (text === "" ? null : JSON.parse(text)) as T;
  throw new Refusal(answer.status, problemIn(text, answer));
}

function problemIn(text: string, answer: Response): Problem {
  try {
    const said = JSON.parse(text) as Partial<Problem>;
    if (typeof said.why === "string") return { code: said.code ?? "", why: said.why, hint: said.hint ?? "" };
  } catch {
    // not ours: a proxy's page, say; the status line has to do
  }
  return { code: `http-${answer.status}`, why: `The hub answered ${answer.status} ${answer.statusText}.`, hint: "" };
}

function query(words: Record<string, string | number>): string {
  const said = Object.entries(words).filter(([, value]) => value !== "");
  return said.length === 0 ? "" : `?${new URLSearchParams(said.map(([name, value]) => [name, String(value)]))}`;
}

const serverAddress = (machine: string, server: string) =>
  `/api/machines/${encodeURIComponent(machine)}/servers/${encodeURIComponent(server)}`;

export const hub = {
  session: () => ask<Person>("/api/session"),
  signIn: (token: string) => ask<Person>("/api/sign-in", { token } satisfies SignIn),
  signOut: () => ask<unknown>("/api/sign-out", {}),
  overview: () => ask<Overview>("/api/overview"),
  panels: () => ask<PanelView[]>("/api/panels"),
  ownPanels: (machine: string, server: string) => ask<PanelView[]>(`/api/panels${query({ machine, server })}`),
  events: (machine: string, server: string, limit: number) => ask<EventsView>(`/api/events${query({ machine, server, limit })}`),
  chart: (panel: string, machine: string, server: string, start: number, end: number, points: number) =>
    ask<Chart>(`/api/charts/${encodeURIComponent(panel)}${query({ machine, server, start, end, points })}`),
  logs: (machine: string, server: string, lines: number) => ask<LogsView>(`${serverAddress(machine, server)}/logs${query({ lines })}`),
  act: (machine: string, server: string, verb: ActionAsk["verb"]) =>
    ask<ActionView>(`${serverAddress(machine, server)}/actions`, { verb } satisfies ActionAsk),
};
