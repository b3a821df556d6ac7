// The first screen: a sentence that answers, then servers worst first, the machines, and what happened last.
import type { ServerView } from "../api/types.ts";
import { Charts } from "../charts/section.tsx";
import { figure } from "../format.ts";
import { serverPath } from "../route.ts";
import { events, machines, now, sentence, servers, verdict } from "../store.ts";
import { overview } from "../strings.ts";
import { Bar } from "../parts/bar.tsx";
import { Events } from "../parts/events.tsx";
import { MachineTable } from "../parts/machine-table.tsx";
import { Mark, serverStanding, State } from "../parts/state.tsx";
import { Age } from "../parts/time.tsx";

const RECENT = 8;
const MARKS = {
  up: { shape: "disc", tone: "good" },
  wrong: { shape: "cross", tone: "bad" },
  unknown: { shape: "ring", tone: "quiet" },
} as const;

export function OverviewPage() {
  const mark = MARKS[verdict.value];
  const only = machines.value?.length === 1 ? machines.value[0] : undefined;
  return (
    <>
      <h1 class="sentence">
        <Mark shape={mark.shape} tone={mark.tone} />
        <span>{sentence.value}</span>
      </h1>
      <div class="overview">
        <ServerTable list={servers.value ?? []} />
        <MachineTable list={machines.value ?? []} />
        {only && (
          <Charts title={only.machine.name} scope="machine" machine={only.machine.name} only={["cpu", "memory", "network"]} fixed="10m" />
        )}
        <section class="block">
          <header class="block-head">
            <h2>{overview.recent}</h2>
            <a href="/events">{overview.allEvents}</a>
          </header>
          <div class="sheet">
            <Events list={events.value?.slice(0, RECENT) ?? null} />
          </div>
        </section>
      </div>
    </>
  );
}

function ServerTable({ list }: { list: ServerView[] }) {
  const words = overview.headings;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{overview.servers}</h2>
      </header>
      <div class="sheet">
        {list.length === 0 ? (
          <p class="empty">
            {overview.noServers} {overview.noServersHint}
          </p>
        ) : (
          <table class="list servers">
            <thead>
              <tr>
                <th scope="col">{words.server}</th>
                <th scope="col">{words.state}</th>
                <th scope="col" class="roomy">
                  {words.uptime}
                </th>
                <th scope="col" title={overview.cpuAbout}>
                  {words.cpu}
                </th>
                <th scope="col" class="number roomy">
                  {words.memory}
                </th>
                <th scope="col" class="number roomy">
                  {words.restarts}
                </th>
                <th scope="col" class="roomy wide">
                  {words.next}
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((view) => (
                <ServerRow key={`${view.machine}/${view.status.name}`} view={view} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function ServerRow({ view }: { view: ServerView }) {
  const { status, figures } = view;
  const alive = status.pid > 0 && view.health !== "unknown";
  return (
    <tr data-server={status.name}>
      <th scope="row">
        <a href={serverPath(view.machine, status.name)}>{status.name}</a>
        <small>{view.machine}</small>
      </th>
      <td>
        <State standing={serverStanding(view)} />
      </td>
      <td class="roomy">{alive ? <Age since={status.started_at} /> : "–"}</td>
      <td>
        <Bar ratio={alive ? figures.cpu_ratio : null} label={overview.cpuAbout} />
      </td>
      <td class="number roomy">{figure(alive ? figures.memory_bytes : null, "bytes")}</td>
      <td class="number roomy">{status.restarts}</td>
      <td class="roomy wide note">{note(view)}</td>
    </tr>
  );
}

/** What else to know in one line: the next try, a failing probe, or why it is as it is. */
function note(view: ServerView): string {
  const { status } = view;
  const failing = status.probes.filter((probe) => !probe.ok && probe.at > 0);
  const parts = [];
  if (status.next_attempt_at > 0) parts.push(overview.nextTry((status.next_attempt_at - now.value) / 1000));
  if (failing.length > 0) parts.push(failing.map((probe) => `${probe.name}: ${probe.why}`).join(", "));
  else if (status.state !== "running" && status.reason) parts.unshift(status.reason);
  else if (view.health === "unknown") parts.push(status.reason);
  return parts.filter(Boolean).join(" · ");
}

