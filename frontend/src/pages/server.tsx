// One server: how it stands and why, what can be done, what it answers, how it does, what it writes, what happened to it.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { PanelView, ServerView } from "../api/types.ts";
import { Charts } from "../charts/section.tsx";
import { duration, figure } from "../format.ts";
import { machinePath } from "../route.ts";
import { useShown } from "../shown.ts";
import { blind, connection, findMachine, findServer, now } from "../store.ts";
import { machine as machineWords, overview, server as words } from "../strings.ts";
import { Actions, pressing } from "../parts/actions.tsx";
import { Instant } from "../parts/instant.tsx";
import { Logs } from "../parts/logs.tsx";
import { Probes } from "../parts/probes.tsx";
import { Restarts } from "../parts/restarts.tsx";
import { serverStanding, State } from "../parts/state.tsx";
import { Age } from "../parts/time.tsx";
import { Lost } from "./lost.tsx";
import { History } from "./machine.tsx";

const OFTEN = 4000; // ms, between questions for a server's own charts while there are none,
const SELDOM = 8; // and once there are some, every so many turns

export function ServerPage({ machine, name }: { machine: string; name: string }) {
  const view = findServer(machine, name);
  useShown([machine]);
  const own = useOwnPanels(machine, view ? name : "");
  if (!view) return <Lost words={words.unknown(name, machine)} />;
  return (
    <>
      <h1>
        {name}
        <a class="on" href={machinePath(machine)}>
          {words.on(machine)}
        </a>
      </h1>
      <Standing view={view} />
      <Charts title={words.figures} scope="server" machine={machine} server={name} own={own} ownTitle={words.own} />
      <Instant machine={machine} />
      <div class="columns">
        <Logs machine={machine} server={name} />
        <div>
          <Probes view={view} />
          <Restarts machine={machine} server={name} />
          <History machine={machine} server={name} title={words.events} most={12} />
        </div>
      </div>
    </>
  );
}

/** The charts of a known server's own figures: asked for after each gap, and now and then, since it may tell more in time. */
function useOwnPanels(machine: string, name: string): PanelView[] {
  const own = useSignal<PanelView[]>([]);
  useEffect(() => {
    let mine = true;
    const load = () =>
      hub
        .ownPanels(machine, name)
        .then((found) => {
          if (mine && names(found) !== names(own.peek())) own.value = found;
        })
        .catch(() => undefined); // the page already says that the hub is away, and this is asked again
    own.value = [];
    if (name === "") return undefined;
    let turn = 0;
    void load();
    const again = setInterval(() => {
      turn += 1;
      if (!document.hidden && (own.peek().length === 0 || turn % SELDOM === 0)) void load();
    }, OFTEN);
    return () => {
      mine = false;
      clearInterval(again);
    };
  }, [machine, name, connection.value]);
  return own.value;
}

function names(list: PanelView[]): string {
  return list.map((panel) => panel.name).join();
}

function Standing({ view }: { view: ServerView }) {
  const { status, figures } = view;
  const alive = status.pid > 0 && view.health !== "unknown" && !blind.value;
  const machine = findMachine(view.machine);
  return (
    <div class="sheet standing" data-state={status.state} data-pid={status.pid}>
      <div class="state-line">
        <State standing={serverStanding(view)} />
        <span class="reason">{reason(view)}</span>
        <Actions view={view} />
      </div>
      {machine && !machine.connected && <p class="notice">{machineWords.silent(duration((now.value - machine.seen_at) / 1000))}</p>}
      <dl class="facts-grid">
        <Fact name={alive ? words.facts.uptime : words.facts.since}>
          {view.health === "unknown" || blind.value ? "–" : <Age since={alive ? status.started_at : status.since} />}
        </Fact>
        <Fact name={words.facts.pid}>{alive ? String(status.pid) : "–"}</Fact>
        <Fact name={words.facts.restarts}>{String(status.restarts)}</Fact>
        <Fact name={words.facts.exit}>{status.last_exit || words.never}</Fact>
        <Fact name={overview.headings.cpu}>{figure(alive ? figures.cpu_ratio : null, "ratio")}</Fact>
        <Fact name={overview.headings.memory}>{figure(alive ? figures.memory_bytes : null, "bytes")}</Fact>
        <Fact name={words.facts.fds}>{files(view, alive)}</Fact>
      </dl>
    </div>
  );
}

/** Why it is as it is; of one that is well, how it once came to run is no news. */
function reason(view: ServerView): string {
  if (blind.value) return "";
  const { status } = view;
  const why = status.state === "running" && view.health !== "unknown" ? "" : status.reason;
  const next = status.next_attempt_at > 0 ? overview.nextTry((status.next_attempt_at - now.value) / 1000) : "";
  return [pressing(view), why, next].filter(Boolean).join(" · ");
}

function files(view: ServerView, alive: boolean): string {
  const { open_fds: open, max_fds: most } = view.figures;
  const opened = figure(alive ? open : null, "count");
  return alive && open !== null && most !== null ? `${opened} / ${figure(most, "count")}` : opened;
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
