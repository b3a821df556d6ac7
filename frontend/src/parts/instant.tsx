// A past instant: which of the kept servers took what then, how the machine stood, and what happened around it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import { type Found, prom, quoted } from "../api/prom.ts";
import type { Event } from "../api/types.ts";
import { clock, day, figure, type Known, utc } from "../format.ts";
import { instant, pick, serverPath } from "../route.ts";
import { connection } from "../store.ts";
import { time as words } from "../strings/time.ts";
import { Bar } from "./bar.tsx";
import { Events } from "./events.tsx";

const AROUND = 300_000; // ms
const LISTED = 20;

type Row = { server: string; cpu: Known; memory: Known; threads: Known; files: Known; reads: Known; writes: Known };
type Then = { rows: Row[]; cpu: Known; memory: Known; load: Known; around: Event[] };

export function Instant({ machine }: { machine: string }) {
  const then = useSignal<Then | null>(null);
  const refused = useSignal("");
  const at = instant.value;
  useEffect(() => {
    then.value = null;
    refused.value = "";
    if (at === 0) return undefined;
    let mine = true;
    look(machine, at)
      .then((found) => {
        if (mine) then.value = found;
      })
      .catch((fault: unknown) => {
        if (!(fault instanceof Refusal)) throw fault;
        if (mine) refused.value = fault.message;
      });
    return () => {
      mine = false;
    };
  }, [machine, at, connection.value]);
  if (at === 0) return null;
  const found = then.value;
  return (
    <section class="block instant" data-at={at}>
      <header class="block-head">
        <h2 title={utc(at)}>{words.instant(`${day(at)}, ${clock(at)}`)}</h2>
        <button type="button" class="link" onClick={() => pick(0)}>
          {words.leave}
        </button>
      </header>
      {refused.value && (
        <p class="notice" role="alert">
          {refused.value}
        </p>
      )}
      {found ? (
        <div class="columns">
          <Processes machine={machine} then={found} />
          <div>
            <h3>{words.around}</h3>
            <div class="sheet">{found.around.length === 0 ? <p class="empty">{words.aroundNone}</p> : <Events list={found.around} of="machine" />}</div>
          </div>
        </div>
      ) : (
        <div class="waiting rows" aria-busy="true" />
      )}
    </section>
  );
}

function of(list: Found[], server: string): Known {
  return list.find((one) => one.metric["server"] === server)?.values[0]?.[1];
}

/** Ask for all of it at once. */
async function look(machine: string, at: number): Promise<Then> {
  const where = `machine=${quoted(machine)}`;
  const rate = (name: string) => prom.at(`sum by (server) (rate(${name}{${where}}[1m]))`, at);
  const value = (name: string) => prom.at(`sum by (server) (${name}{${where}})`, at);
  const [cpu, memory, threads, files, reads, writes, busy, used, load, page] = await Promise.all([
    rate("process_cpu_seconds_total"),
    prom.at(`sum by (server) (process_proportional_memory_bytes{${where}} or process_resident_memory_bytes{${where}})`, at),
    value("process_threads"),
    value("process_open_fds"),
    rate("process_read_bytes_total"),
    rate("process_written_bytes_total"),
    prom.at(`1 - avg(rate(node_cpu_seconds_total{mode="idle",${where}}[1m]))`, at),
    prom.at(`1 - node_memory_MemAvailable_bytes{${where}} / node_memory_MemTotal_bytes{${where}}`, at),
    prom.at(`node_load1{${where}}`, at),
    hub.happened(machine, "", at - AROUND, at + AROUND, LISTED),
  ]);
  const names = new Set([cpu, memory, threads].flatMap((answer) => answer.found.map((one) => one.metric["server"] ?? "")));
  const rows = [...names].filter(Boolean).map((server) => ({
    server,
    cpu: of(cpu.found, server),
    memory: of(memory.found, server),
    threads: of(threads.found, server),
    files: of(files.found, server),
    reads: of(reads.found, server),
    writes: of(writes.found, server),
  }));
  return {
    rows: rows.toSorted((one, other) => (other.cpu ?? -1) - (one.cpu ?? -1) || (other.memory ?? -1) - (one.memory ?? -1)),
    cpu: busy.found[0]?.values[0]?.[1],
    memory: used.found[0]?.values[0]?.[1],
    load: load.found[0]?.values[0]?.[1],
    around: page.events,
  };
}

function Processes({ machine, then }: { machine: string; then: Then }) {
  const heads = words.processHeadings;
  return (
    <div>
      <h3>
        {words.processes}{" "}
        <small>
          {words.machineThen}: {heads.cpu} {figure(then.cpu, "ratio")}, {heads.memory} {figure(then.memory, "ratio")}, load {figure(then.load, "count")}
        </small>
      </h3>
      <div class="sheet sideways">
        {then.rows.length === 0 ? (
          <p class="empty">{words.processesNone}</p>
        ) : (
          <table class="list processes">
            <thead>
              <tr>
                <th scope="col">{heads.server}</th>
                <th scope="col">{heads.cpu}</th>
                <th scope="col" class="number">
                  {heads.memory}
                </th>
                <th scope="col" class="number roomy">
                  {heads.threads}
                </th>
                <th scope="col" class="number roomy">
                  {heads.files}
                </th>
                <th scope="col" class="number roomy">
                  {heads.reads}
                </th>
                <th scope="col" class="number roomy">
                  {heads.writes}
                </th>
              </tr>
            </thead>
            <tbody>
              {then.rows.map((row) => (
                <tr key={row.server} data-then={row.server}>
                  <th scope="row">
                    <a href={serverPath(machine, row.server)}>{row.server}</a>
                  </th>
                  <td>
                    <Bar ratio={row.cpu} label={row.server} />
                  </td>
                  <td class="number">{figure(row.memory, "bytes")}</td>
                  <td class="number roomy">{figure(row.threads, "count")}</td>
                  <td class="number roomy">{figure(row.files, "count")}</td>
                  <td class="number roomy">{figure(row.reads, "bytes_per_second")}</td>
                  <td class="number roomy">{figure(row.writes, "bytes_per_second")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </div>
  );
}
