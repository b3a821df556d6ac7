// One machine: what it is, how it does over the chosen time, its servers, and what happened on it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { Event, MachineView } from "../api/types.ts";
import { Charts } from "../charts/section.tsx";
import { duration, figure } from "../format.ts";
import { serverPath } from "../route.ts";
import { connection, events, findMachine, now, servers, withEvent } from "../store.ts";
import { frame, machine as words, overview, server as serverWords } from "../strings.ts";
import { Bar } from "../parts/bar.tsx";
import { Events } from "../parts/events.tsx";
import { machineStanding, serverStanding, State } from "../parts/state.tsx";

const LISTED = 30;

export function MachinePage({ name }: { name: string }) {
  const view = findMachine(name);
  if (!view) return <p class="empty">{words.unknown(name)}</p>;
  return (
    <>
      <h1>
        {name}
        <State standing={machineStanding(view.health)} />
      </h1>
      <p class="facts">{facts(view)}</p>
      {!view.connected && <p class="notice">{words.silent(duration((now.value - view.seen_at) / 1000))}</p>}
      <Charts title={words.charts} scope="machine" machine={name} />
      <div class="columns">
        <div>
          <Disk view={view} />
          <Kept machine={name} />
        </div>
        <History machine={name} server="" title={serverWords.events} />
      </div>
    </>
  );
}

function facts(view: MachineView): string {
  const { machine, figures } = view;
  return [
    machine.os,
    machine.kernel,
    machine.architecture,
    words.cores(machine.cpus),
    words.memory(figure(machine.memory_bytes, "bytes")),
    figures.uptime_seconds === null ? "" : words.upFor(duration(figures.uptime_seconds)),
    words.agent(machine.agent_version),
  ]
    .filter(Boolean)
    .join(" · ");
}

function Disk({ view }: { view: MachineView }) {
  const { figures } = view;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.filesystems}</h2>
      </header>
      <dl class="sheet rows-of-bars">
        <div>
          <dt>{figures.disk_mountpoint ?? "–"}</dt>
          <dd>
            <Bar ratio={figures.disk_ratio} label={figures.disk_mountpoint ?? ""} limits />
            <small>{words.free(figure(figures.disk_free_bytes, "bytes"))}</small>
          </dd>
        </div>
      </dl>
    </section>
  );
}

function Kept({ machine }: { machine: string }) {
  const list = servers.value?.filter((view) => view.machine === machine) ?? [];
  return (
    <section class="block">
      <header class="block-head">
        <h2>{frame.servers}</h2>
      </header>
      <ul class="sheet plain-list">
        {list.length === 0 && <li class="empty">{overview.noServers}</li>}
        {list.map((view) => (
          <li key={view.status.name}>
            <a href={serverPath(machine, view.status.name)}>{view.status.name}</a>
            <State standing={serverStanding(view)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What happened to one machine or server: fetched after each gap, and kept up by the stream. */
export function History({ machine, server, title }: { machine: string; server: string; title: string }) {
  const fetched = useSignal<Event[] | null>(null);
  useEffect(() => {
    let mine = true;
    void hub
      .events(machine, server, LISTED)
      .then((page) => {
        if (mine) fetched.value = page.events;
      })
      .catch(() => undefined); // the page already says that the hub is away, and this is asked again when it is back
    return () => {
      mine = false;
    };
  }, [machine, server, connection.value]);
  const newer = events.value?.filter((event) => event.machine === machine && (server === "" || event.server === server)) ?? [];
  const list = fetched.value && newer.reduce(withEvent, fetched.value).slice(0, LISTED);
  return (
    <section class="block">
      <header class="block-head">
        <h2>{title}</h2>
      </header>
      <div class="sheet">
        <Events list={list} about={server === ""} />
      </div>
    </section>
  );
}
