// One stress run: followed second by second while it goes, read stage by stage afterwards, with its report beside it.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { Found } from "../api/prom.ts";
import type { StressRunDetail, StressSecond } from "../api/types.ts";
import { AnswerChart } from "../charts/answer.tsx";
import { duration, plain } from "../format.ts";
import { pathAt } from "../route.ts";
import { connection, now } from "../store.ts";
import { incidents } from "../strings/incidents.ts";
import { stress as words } from "../strings/stress.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { useReloading } from "../parts/reloading.ts";
import { State } from "../parts/state.tsx";
import { StageTable } from "../parts/stress-compared.tsx";
import { Moment } from "../parts/time.tsx";
import { Lost } from "./lost.tsx";
import { runStanding } from "./stress.tsx";

const TURN = 1000; // ms
const AROUND = 60_000;

export function StressRunPage({ id }: { id: string }) {
  const detail = useSignal<StressRunDetail | null>(null);
  const seconds = useSignal<StressSecond[]>([]);
  const said = useSignal<string[]>([]);
  const gone = useSignal(false);
  const acting = useActing();
  const going = detail.value?.view.going ?? true;
  const turns = useRef(0);
  useReloading(
    async (isShown) => {
      const last = seconds.peek().at(-1)?.second ?? -1;
      const followed = await orNone(hub.followStress(id, last)); // a run may not tell this hub how it goes
      if (!isShown()) return;
      if (followed) {
        if (followed.seconds.length > 0) seconds.value = [...seconds.peek(), ...followed.seconds.filter((one) => one.second > last)];
        said.value = followed.said;
      }
      if (turns.current % 5 === 0 || followed?.view.going === false) {
        const found = await orNone(hub.stressRun(id));
        if (!isShown()) return;
        if (found) detail.value = found;
        gone.value = found === null;
      }
      turns.current += 1;
    },
    id,
    `${going} ${connection.value}`,
    going ? TURN : 0,
  );
  if (gone.value && !detail.value) return <Lost words={words.unknown} />;
  if (!detail.value) return <div class="waiting rows tall" aria-busy="true" />;
  const { view, stages, files } = detail.value;
  const end = view.ended_at || now.value;
  const report = files.find((file) => file.name.endsWith(".html"));
  const place = (name: string) => `/api/stress/runs/${encodeURIComponent(id)}/files/${name}`;
  return (
    <>
      <h1>
        {view.plan} {words.on(view.server || view.target, view.machine)}
        <State standing={runStanding(view)} />
      </h1>
      <div class="sheet standing" data-run={view.id} data-state={view.state}>
        <div class="state-line">
          <span class="reason" role="status">
            {[view.going ? view.phase : "", view.why].filter(Boolean).join(" · ")}
          </span>
          {view.going && mayAct() && (
            <div class="actions">
              <div class="buttons">
                <button type="button" class="grave stop" disabled={acting.busy.value} onClick={() => void acting.run(() => hub.abortStress(id))}>
                  {words.abort}
                </button>
              </div>
            </div>
          )}
        </div>
        <p class="ways">
          <span>
            <Moment at={view.started_at} /> · {words.lasted(duration((end - view.started_at) / 1000))} {view.by && `· ${words.by(view.by)}`}
          </span>
          {report && (
            <a class="way" href={place(report.name)} target="_blank" rel="noreferrer">
              {words.report}
            </a>
          )}
          {view.machine && (
            <a class="way" href={pathAt(view.machine, view.server, [view.started_at - AROUND, end + AROUND])}>
              {words.charts}
            </a>
          )}
        </p>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {incidents.refused} {acting.refused.value}
          </p>
        )}
      </div>
      {seconds.value.length > 1 && <Live start={view.started_at} seconds={seconds.value} />}
      {stages.length > 0 && (
        <section class="block">
          <header class="block-head">
            <h2>{words.stages}</h2>
          </header>
          <StageTable stages={stages} />
        </section>
      )}
      {said.value.length > 0 && (
        <section class="block">
          <header class="block-head">
            <h2>{words.said}</h2>
          </header>
          <ol class="sheet plain-list">
            {said.value.slice(-12).map((told) => (
              <li key={told}>{told}</li>
            ))}
          </ol>
        </section>
      )}
      {files.length > 0 && (
        <details class="sheet section">
          <summary>{words.files}</summary>
          <ul class="plain-list">
            {files.map((file) => (
              <li key={file.name}>
                <a class="way" href={place(file.name)} target="_blank" rel="noreferrer">
                  {file.name}
                </a>
                <small>{plain(file.bytes)} B</small>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function line(name: string, start: number, seconds: StressSecond[], value: (one: StressSecond) => number | null): Found {
  return {
    metric: { __name__: name },
    values: seconds.flatMap((one): [number, number][] => {
      const figure = value(one);
      return figure === null ? [] : [[start + one.second * 1000, figure]];
    }),
  };
}

function Live({ start, seconds }: { start: number; seconds: StressSecond[] }) {
  const end = start + (seconds.at(-1)?.second ?? 0) * 1000;
  const first = start + (seconds[0]?.second ?? 0) * 1000;
  const last = seconds.at(-1);
  const rates = [
    line(words.lines.due, start, seconds, (one) => one.due),
    line(words.lines.done, start, seconds, (one) => one.done),
    line(words.lines.failed, start, seconds, (one) => one.failed),
  ];
  const latency = (["p50", "p95", "p99"] as const).map((name) => line(name, start, seconds, (one) => (one[name] === null ? null : one[name] * 1000)));
  return (
    <section class="block" aria-label={words.live}>
      <header class="block-head">
        <h2>
          {words.rates} <small>{rates.map((one) => `${one.metric["__name__"]} ${plain(one.values.at(-1)?.[1] ?? 0)}`).join(" · ")}</small>
        </h2>
        <span class="quiet">{last?.name}</span>
      </header>
      <AnswerChart title={words.rates} found={rates} start={first} end={end} step={1} zoom={() => undefined} />
      <header class="block-head">
        <h2>
          {words.latency}, ms <small>{latency.map((one) => `${one.metric["__name__"]} ${plain(Number((one.values.at(-1)?.[1] ?? 0).toPrecision(3)))}`).join(" · ")}</small>
        </h2>
      </header>
      <AnswerChart title={words.latency} found={latency} start={first} end={end} step={1} zoom={() => undefined} />
    </section>
  );
}

/** An answer, or null where the hub knows of nothing there. */
function orNone<T>(asked: Promise<T>): Promise<T | null> {
  return asked.catch((fault: unknown) => {
    if (fault instanceof Refusal && fault.status === 404) return null;
    throw fault;
  });
}
