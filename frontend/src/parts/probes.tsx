// What each probe answers now, and how it answered over the time that the charts show.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { prom, quoted } from "../api/prom.ts";
import type { ProbeResult, ServerView } from "../api/types.ts";
import { type Span, Spans, uptime } from "../charts/strip.tsx";
import { figure } from "../format.ts";
import { range, seconds, zoom } from "../route.ts";
import { connection, hubNow } from "../store.ts";
import { charts, server as words } from "../strings.ts";
import { spanName } from "../strings/time.ts";
import { Mark } from "./state.tsx";
import { Moment } from "./time.tsx";

const SPANS = 90;
const OFTEN = 30_000; // ms

type Past = { spans: Span[]; share: number | null };

export function Probes({ view }: { view: ServerView }) {
  const past = usePast(view.machine, view.status.name, view.status.probes.length > 0);
  return (
    <section class="block">
      <header class="block-head">
        <h2>
          {words.probes} <small>{spanName(range.value, zoom.value)}</small>
        </h2>
      </header>
      <ul class="sheet plain-list">
        {view.status.probes.length === 0 && <li class="empty">{words.noProbes}</li>}
        {view.status.probes.map((probe) => (
          <ProbeRow key={probe.name} probe={probe} past={past[probe.name]} />
        ))}
      </ul>
    </section>
  );
}

/** The past of all probes of a server, by name. */
function usePast(machine: string, server: string, wanted: boolean): Record<string, Past> {
  const found = useSignal<Record<string, Past>>({});
  const part = zoom.value;
  const chosen = range.value;
  useEffect(() => {
    if (!wanted) return undefined;
    let mine = true;
    const load = async () => {
      const end = part?.[1] ?? hubNow();
      const start = part?.[0] ?? end - seconds(chosen) * 1000;
      const step = Math.max(1, Math.round((end - start) / 1000 / SPANS));
      try {
        const where = `{machine=${quoted(machine)},server=${quoted(server)}}`;
        const answer = await prom.range(`min_over_time(probe_success${where}[${step}s])`, start, end, step);
        if (!mine) return;
        found.value = Object.fromEntries(
          answer.found.map((one) => {
            const folded = uptime(
              one.values.map(([at]) => at),
              one.values.map(([, value]) => value),
              start,
              end + 1,
            );
            return [one.metric["probe"] ?? "", folded];
          }),
        );
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault; // asked again soon
      }
    };
    void load();
    const again = setInterval(() => {
      if (!part && !document.hidden) void load();
    }, OFTEN);
    return () => {
      mine = false;
      clearInterval(again);
    };
  }, [machine, server, wanted, part, chosen, connection.value]);
  return found.value;
}

function ProbeRow({ probe, past }: { probe: ProbeResult; past: Past | undefined }) {
  const tone = probe.at === 0 ? "quiet" : probe.ok ? "good" : "bad";
  return (
    <li class="probe" data-probe={probe.name}>
      <span class={`state ${tone}`}>
        <Mark shape={probe.at === 0 ? "ring" : probe.ok ? "disc" : "square"} tone={tone} />
        {probe.name}
      </span>
      <span>
        {words.probeWord(probe)}
        {probe.at > 0 && probe.ok && <b> {figure(probe.duration, "seconds")}</b>}
      </span>
      <Moment at={probe.at} />
      {past && (
        <Spans spans={past.spans} words={`${probe.name}: ${charts.upShare(figure(past.share, "ratio"), spanName(range.value, zoom.value))}`} />
      )}
      {probe.why && <small class="why">{probe.why}</small>}
    </li>
  );
}
