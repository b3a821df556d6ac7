// One machine: what it is, how it does over the chosen time, its servers, and what happened on it.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { Event, MachineView } from "../api/types.ts";
import { Feed } from "../charts/feed.ts";
import { Charts } from "../charts/section.tsx";
import { duration, figure } from "../format.ts";
import { useShown } from "../shown.ts";
import { connection, events, findMachine, now, servers, withEvent } from "../store.ts";
import { machine as words } from "../strings.ts";
import { Lost } from "./lost.tsx";
import { Bar } from "../parts/bar.tsx";
import { Events } from "../parts/events.tsx";
import { Instant } from "../parts/instant.tsx";
import { Programs } from "../parts/programs.tsx";
import { ServerTable } from "../parts/server-table.tsx";
import { machineStanding, State } from "../parts/state.tsx";

const LISTED = 30;

export function MachinePage({ name }: { name: string }) {
  const view = findMachine(name);
  useShown([name]);
  if (!view) return <Lost words={words.unknown(name)} />;
  return (
    <>
      <h1>
        {name}
        <State standing={machineStanding(view.health)} />
      </h1>
      <p class="facts">{facts(view)}</p>
      {!view.connected && <p class="notice">{words.silent(duration((now.value - view.seen_at) / 1000))}</p>}
      <ServerTable list={servers.value?.filter((one) => one.machine === name) ?? []} machines={false} />
      <Charts title={words.charts} scope="machine" machine={name} />
      <Instant machine={name} />
      <Programs machine={name} />
      <div class="columns">
        <Disks machine={name} />
        <History machine={name} server="" title={words.events} />
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

/** Every filesystem's last ratio, fullest first, from the same figures as its chart. */
function Disks({ machine }: { machine: string }) {
  const feed = useMemo(() => new Feed("filesystem", machine, "", "10m"), [machine]);
  useEffect(() => feed.start(), [feed]);
  void feed.beat.value;
  const disks = (feed.chart?.lines ?? []).map((line, index) => ({ name: line.name, ratio: feed.window.at(index, -1) }));
  const fullest = disks.toSorted((one, other) => (other.ratio ?? -1) - (one.ratio ?? -1));
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.filesystems}</h2>
      </header>
      <dl class="sheet rows-of-bars">
        {fullest.length === 0 && <p class="empty">{words.noFilesystems}</p>}
        {fullest.map((disk) => (
          <div key={disk.name}>
            <dt>{disk.name}</dt>
            <dd>
              <Bar ratio={disk.ratio} label={disk.name} limits />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** What happened to one machine or server: fetched after each gap, and kept up by the stream. */
export function History({ machine, server, title, most = LISTED }: { machine: string; server: string; title: string; most?: number }) {
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
  const list = fetched.value && newer.reduce(withEvent, fetched.value).slice(0, most);
  return (
    <section class="block">
      <header class="block-head">
        <h2>{title}</h2>
      </header>
      <div class="sheet">
        <Events list={list} of={server === "" ? "machine" : "server"} />
      </div>
    </section>
  );
}
