// Machines with their headline figures as plain bars.
import { useMemo } from "preact/hooks";
import type { MachineView } from "../api/types.ts";
import { duration, figure } from "../format.ts";
import { machinePath } from "../route.ts";
import { blind, isTold } from "../store.ts";
import { useShown } from "../shown.ts";
import { overview } from "../strings.ts";
import { fleet } from "../strings/fleet.ts";
import { freshSparks, lastHour, Spark } from "../charts/spark.tsx";
import { Bar } from "./bar.tsx";
import { machineStanding, State } from "./state.tsx";
import { ROW, useVirtual } from "./virtual.ts";

/** `filtered` says that what is not in the list was left out on purpose. */
export function MachineTable({ list, filtered = false }: { list: MachineView[]; filtered?: boolean }) {
  freshSparks();
  return (
    <section class="block">
      <header class="block-head">
        <h2>{overview.machines}</h2>
      </header>
      <div class="sheet">
        {list.length === 0 && filtered ? (
          <p class="empty">{fleet.none}</p>
        ) : list.length === 0 ? (
          <div class="empty help">
            <p>{overview.noMachines}</p>
            <p>{overview.noMachinesHint}</p>
            <pre>
              <code>{overview.noMachinesCommand}</code>
            </pre>
          </div>
        ) : (
          <Table list={list} />
        )}
      </div>
    </section>
  );
}

function Table({ list }: { list: MachineView[] }) {
  const words = overview.machineHeadings;
  const { root, part } = useVirtual(list.length, ROW);
  const rows = list.slice(part.from, part.to);
  useShown(rows.map((view) => view.machine.name));
  return (
    <table class={part.isWindow ? "list machines windowed" : "list machines"} aria-rowcount={list.length + 1}>
      <thead>
        <tr>
          <th scope="col">{words.machine}</th>
          <th scope="col" class="roomy">
            {overview.headings.state}
          </th>
          <th scope="col" class="wide">
            {fleet.lastHour}
          </th>
          <th scope="col">{words.cpu}</th>
          <th scope="col">{words.memory}</th>
          <th scope="col" class="roomy">
            {words.disk}
          </th>
          <th scope="col" class="number wide">
            {words.load}
          </th>
          <th scope="col" class="number roomy">
            {words.network}
          </th>
          <th scope="col" class="number roomy">
            {words.uptime}
          </th>
        </tr>
      </thead>
      <tbody ref={root}>
        <Gap height={part.before} />
        {rows.map((view, index) => (
          <MachineRow key={view.machine.name} view={view} row={part.from + index + 2} />
        ))}
        <Gap height={part.after} />
      </tbody>
    </table>
  );
}

/** Stands for the rows that are not in the document. */
export function Gap({ height }: { height: number }) {
  // A row without a cell, for its height alone.
  return height > 0 ? <tr class="gap" aria-hidden="true" style={{ height: `${height}px` }} /> : null;
}

type RowProps = { view: MachineView; row: number };

/** A row is made anew only when something in it is. */
function MachineRow({ view, row }: RowProps) {
  // A silent machine has a dash, not its last figure; so has one whose figures were not asked for while it was out of sight.
  const known = view.health === "up" && !blind.value && isTold(view.machine.name, view.period_seconds);
  const hour = lastHour(view.machine.name);
  return useMemo(() => <Row view={view} row={row} known={known} hour={hour} />, [view, row, known, hour, blind.value]);
}

function Row({ view, row, known, hour }: RowProps & { known: boolean; hour: (number | null)[] | undefined }) {
  const { machine } = view;
  const figures = known ? view.figures : null;
  const standing = machineStanding(view.health);
  return (
    <tr data-machine={machine.name} aria-rowindex={row}>
      <th scope="row">
        <a href={machinePath(machine.name)}>{machine.name}</a>
        <small class="roomy" title={machine.os}>
          {machine.os.replace(/ \([^)]*\)$/, "")}
        </small>
        <small class="tight">
          <State standing={standing} />
        </small>
      </th>
      <td class="roomy">
        <State standing={standing} />
      </td>
      <td class="wide">
        <Spark values={hour} />
      </td>
      <td>
        <Bar ratio={figures?.cpu_ratio} label={busyCores(figures?.cpu_ratio, machine.cpus)} />
      </td>
      <td>
        <Bar ratio={figures?.memory_ratio} label={figure(figures?.memory_used_bytes, "bytes")} limits />
      </td>
      <td class="roomy">
        <Bar ratio={figures?.disk_ratio} label={figures?.disk_mountpoint ?? ""} limits />
        {figures && (
          <small class="beside" title={figures.disk_mountpoint ?? ""}>
            {figures.disk_mountpoint}
          </small>
        )}
      </td>
      <td class="number wide">{figure(figures?.load1, "count")}</td>
      <td class="number roomy pair">
        {figures ? (
          <>
            <span>↓ {figure(figures.network_receive_bytes_per_second, "bytes_per_second")}</span>
            <span>↑ {figure(figures.network_transmit_bytes_per_second, "bytes_per_second")}</span>
          </>
        ) : (
          "–"
        )}
      </td>
      <td class="number roomy">{duration(figures?.uptime_seconds)}</td>
    </tr>
  );
}

function busyCores(ratio: number | null | undefined, cpus: number): string {
  return ratio === null || ratio === undefined ? "" : `${figure(ratio * cpus, "count")} / ${cpus}`;
}
