// Servers, worst first: how each stands, what it takes, what else is to know, and what can be done.
import type { ServerView } from "../api/types.ts";
import { duration, figure } from "../format.ts";
import { serverPath } from "../route.ts";
import { useShown } from "../shown.ts";
import { blind, findMachine, isTold, now } from "../store.ts";
import { overview } from "../strings.ts";
import { fleet } from "../strings/fleet.ts";
import { Actions, pressing } from "./actions.tsx";
import { Bar } from "./bar.tsx";
import { Gap } from "./machine-table.tsx";
import { serverStanding, State } from "./state.tsx";
import { Age } from "./time.tsx";
import { ROW, useVirtual } from "./virtual.ts";

/** `machines` says whether each row names its machine: not on the machine's own page; `filtered` that others were left out. */
export function ServerTable({ list, machines = true, filtered = false }: { list: ServerView[]; machines?: boolean; filtered?: boolean }) {
  const words = overview.headings;
  const { root, part } = useVirtual(list.length, ROW);
  const rows = list.slice(part.from, part.to);
  useShown(rows.map((view) => view.machine));
  return (
    <section class="block">
      <header class="block-head">
        <h2>{overview.servers}</h2>
      </header>
      <div class="sheet">
        {list.length === 0 && filtered ? (
          <p class="empty">{fleet.none}</p>
        ) : list.length === 0 ? (
          <div class="empty help">
            <p>{overview.noServers}</p>
            <p>{overview.noServersHint}</p>
            <pre>
              <code>{overview.noServersExample}</code>
            </pre>
          </div>
        ) : (
          <table class={part.isWindow ? "list servers windowed" : "list servers"} aria-rowcount={list.length + 1}>
            <thead>
              <tr>
                <th scope="col">{words.server}</th>
                <th scope="col">{words.state}</th>
                <th scope="col" class="roomy">
                  {words.uptime}
                </th>
                <th scope="col" title={overview.cpuAbout}>
                  <span class="roomy">{words.cpu}</span>
                  <span class="tight">{overview.cpuMemory}</span>
                </th>
                <th scope="col" class="number roomy">
                  {words.memory}
                </th>
                <th scope="col" class="roomy rest">
                  <span class="unseen">{overview.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody ref={root}>
              <Gap height={part.before} />
              {rows.map((view, index) => (
                <ServerRow key={`${view.machine}/${view.status.name}`} view={view} named={machines} row={part.from + index + 2} />
              ))}
              <Gap height={part.after} />
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function ServerRow({ view, named, row }: { view: ServerView; named: boolean; row: number }) {
  const { status, figures } = view;
  const alive = status.pid > 0 && view.health !== "unknown" && !blind.value;
  const known = alive && isTold(view.machine, findMachine(view.machine)?.period_seconds ?? 0);
  const memory = figure(known ? figures.memory_bytes : null, "bytes");
  return (
    <tr data-server={status.name} aria-rowindex={row}>
      <th scope="row">
        <a href={serverPath(view.machine, status.name)}>{status.name}</a>
        {named && <small>{view.machine}</small>}
      </th>
      <td>
        <State standing={serverStanding(view)} />
        <small class="tight">{alive && <Age since={status.started_at} />}</small>
      </td>
      <td class="roomy">{alive ? <Age since={status.started_at} /> : "–"}</td>
      <td>
        <Bar ratio={known ? figures.cpu_ratio : null} label={overview.cpuAbout} />
        <small class="tight">{alive && memory}</small>
      </td>
      <td class="number roomy">{memory}</td>
      {/* A cell of buttons that have names of their own. */}
      {/* oxlint-disable-next-line jsx-a11y/control-has-associated-label -- the group of buttons in it has its name */}
      <td class="roomy rest">
        <Actions view={view} terse>
          <span class="note">{note(view)}</span>
        </Actions>
      </td>
    </tr>
  );
}

/** What else to know in one line: the next try, a failing probe, or why it is as it is. */
function note(view: ServerView): string {
  if (blind.value) return "";
  const { status } = view;
  const failing = status.probes.filter((probe) => !probe.ok && probe.at > 0);
  const parts = [];
  if (view.health === "unknown") {
    const machine = findMachine(view.machine);
    parts.push(machine && machine.health !== "up" ? overview.silent(view.machine, duration((now.value - machine.seen_at) / 1000)) : status.reason);
  } else if (failing.length > 0) parts.push(failing.map((probe) => `${probe.name}: ${probe.why}`).join(", "));
  else if (status.state !== "running") parts.push(status.reason);
  parts.unshift(pressing(view));
  if (status.next_attempt_at > 0) parts.push(overview.nextTry((status.next_attempt_at - now.value) / 1000));
  if (status.restarts > 0) parts.push(overview.restarted(status.restarts));
  return parts.filter(Boolean).join(" · ");
}
