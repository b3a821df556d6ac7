// Which programs take a machine, whoever started them: now, or at the instant that was picked.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { type Found, prom, quoted } from "../api/prom.ts";
import { figure, type Known } from "../format.ts";
import { instant } from "../route.ts";
import { connection, hubNow } from "../store.ts";
import { programs as words } from "../strings/programs.ts";
import { Bar } from "./bar.tsx";

const SELDOM = 10_000; // ms: as often as agents look
const LISTED = 12;

type Weight = "cpu" | "memory" | "disk";
type Row = { name: string; cpu: Known; memory: Known; disk: Known; reads: Known; writes: Known; processes: Known };
type Look = { rows: Row[]; rest: Known };

export function Programs({ machine }: { machine: string }) {
  const found = useSignal<Look | null>(null);
  const by = useSignal<Weight>("cpu");
  const all = useSignal(false);
  const refused = useSignal("");
  const at = instant.value;
  useEffect(() => {
    let mine = true;
    found.value = null; // what is shown is of this machine and this instant, or nothing
    const ask = () => {
      look(machine, at || hubNow())
        .then((answer) => {
          if (!mine) return;
          found.value = answer;
          refused.value = "";
        })
        .catch((fault: unknown) => {
          if (!(fault instanceof Refusal)) throw fault;
          if (mine) refused.value = fault.message;
        });
    };
    ask();
    const again = at === 0 ? setInterval(() => document.hidden || ask(), SELDOM) : undefined;
    return () => {
      mine = false;
      clearInterval(again);
    };
  }, [machine, at, connection.value]);
  const rows = found.value?.rows.toSorted((one, other) => (other[by.value] ?? -1) - (one[by.value] ?? -1) || (other.memory ?? -1) - (one.memory ?? -1)) ?? [];
  const shown = all.value ? rows : rows.slice(0, LISTED);
  const heading = (weight: Weight, roomy = false) => (
    <th scope="col" class={weight === "cpu" ? "" : roomy ? "number roomy" : "number"} aria-sort={by.value === weight ? "descending" : "none"}>
      <button type="button" class="heading" onClick={() => (by.value = weight)}>
        {words[weight]}
        <span aria-hidden="true">{by.value === weight ? " ↓" : ""}</span>
      </button>
    </th>
  );
  return (
    <section class="block" data-programs={found.value ? "ready" : ""}>
      <header class="block-head">
        <h2>
          {at === 0 ? words.title : words.titleThen} <small>{words.about}</small>
        </h2>
      </header>
      {refused.value && (
        <p class="notice" role="alert">
          {refused.value}
        </p>
      )}
      <div class="sheet sideways">
        {found.value === null ? (
          <div class="waiting rows" aria-busy="true" />
        ) : rows.length === 0 ? (
          <p class="empty">{words.none}</p>
        ) : (
          <table class="list processes">
            <thead>
              <tr>
                <th scope="col">{words.program}</th>
                {heading("cpu")}
                {heading("memory")}
                <th scope="col" class="number roomy">
                  {words.processes}
                </th>
                {heading("disk", true)}
              </tr>
            </thead>
            <tbody>
              {shown.map((row) => (
                <tr key={row.name} data-program={row.name}>
                  <th scope="row">{row.name}</th>
                  <td>
                    <Bar ratio={row.cpu} label={words.core} />
                  </td>
                  <td class="number">{figure(row.memory, "bytes")}</td>
                  <td class="number roomy">{figure(row.processes, "count")}</td>
                  <td class="number roomy" title={`${words.reads} ${figure(row.reads, "bytes_per_second")}, ${words.writes} ${figure(row.writes, "bytes_per_second")}`}>
                    {figure(row.disk, "bytes_per_second")}
                  </td>
                </tr>
              ))}
              <tr>
                <th scope="row" title={words.restAbout}>
                  {words.rest}
                </th>
                <td>
                  <Bar ratio={found.value.rest} label={words.restAbout} />
                </td>
                <td class="number">–</td>
                <td class="number roomy">–</td>
                <td class="number roomy">–</td>
              </tr>
            </tbody>
          </table>
        )}
      </div>
      {rows.length > LISTED && (
        <button type="button" class="link" onClick={() => (all.value = !all.value)}>
          {all.value ? words.fewer : words.more(rows.length - LISTED)}
        </button>
      )}
    </section>
  );
}

/** An answer's figures by program. */
function of(answer: { found: Found[] }): Map<string, Known> {
  return new Map(answer.found.map((one) => [one.metric["program"] ?? "", one.values[0]?.[1]]));
}

/** Ask for all of it at once. */
async function look(machine: string, at: number): Promise<Look> {
  const where = `machine=${quoted(machine)}`;
  const told = (name: string) => prom.at(`watchkeeper_program_${name}{${where}}`, at);
  const rate = (name: string) => prom.at(`rate(watchkeeper_program_${name}_total{${where}}[1m])`, at);
  const [cpu, memory, processes, reads, writes, busy] = await Promise.all([
    rate("cpu_seconds"),
    told("resident_memory_bytes"),
    told("processes"),
    rate("read_bytes"),
    rate("written_bytes"),
    prom.at(`sum(rate(node_cpu_seconds_total{mode!~"idle|iowait|steal",${where}}[1m]))`, at),
  ]);
  const columns = { cpu: of(cpu), memory: of(memory), processes: of(processes), reads: of(reads), writes: of(writes) };
  const rows = [...columns.memory.keys()].map((name) => {
    const [read, written] = [columns.reads.get(name), columns.writes.get(name)];
    return {
      name,
      cpu: columns.cpu.get(name),
      memory: columns.memory.get(name),
      processes: columns.processes.get(name),
      reads: read,
      writes: written,
      disk: typeof read === "number" ? read + (written ?? 0) : undefined,
    };
  });
  const whole = busy.found[0]?.values[0]?.[1];
  const rest = whole === undefined ? undefined : Math.max(0, whole - rows.reduce((sum, row) => sum + (row.cpu ?? 0), 0));
  return { rows, rest };
}
