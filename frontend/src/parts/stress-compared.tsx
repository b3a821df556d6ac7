// Stages of stress runs as figures: of one run, or of two side by side.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { Ended, StressRunDetail, StressStageView } from "../api/types.ts";
import { figure, type Known, plain } from "../format.ts";
import { stress as words } from "../strings/stress.ts";

function failures(ended: Ended | null): number {
  return Object.values(ended?.errors ?? {}).reduce((sum, number) => sum + number, ended?.dropped ?? 0);
}

function rate(value: Known): string {
  return value === null || value === undefined ? "–" : `${plain(Math.round(value))}\u00a0/s`;
}

export function StageTable({ stages }: { stages: StressStageView[] }) {
  const heads = words.headings;
  return (
    <div class="sheet sideways">
      <table class="list stages">
        <thead>
          <tr>
            <th scope="col">{heads.stage}</th>
            <th scope="col" class="number roomy">
              {heads.load}
            </th>
            <th scope="col" class="number">
              {heads.achieved}
            </th>
            <th scope="col" class="number">
              {heads.p50}
            </th>
            <th scope="col" class="number">
              {heads.p99}
            </th>
            <th scope="col" class="number">
              {heads.errors}
            </th>
            <th scope="col" class="roomy">
              {heads.decision}
            </th>
          </tr>
        </thead>
        <tbody>
          {stages.map(({ stage, ended }) => (
            <tr key={stage.index}>
              <th scope="row">{stage.name}</th>
              <td class="number roomy">{rate(ended?.offered)}</td>
              <td class="number">{rate(ended?.achieved)}</td>
              <td class="number">{figure(ended?.quantiles?.["p50"], "seconds")}</td>
              <td class="number">{figure(ended?.quantiles?.["p99"], "seconds")}</td>
              <td class={failures(ended) > 0 ? "number bad" : "number"}>{ended ? plain(failures(ended)) : "–"}</td>
              <td class="roomy">{ended?.cut_short || ended?.decision}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Two runs, stage by stage where they have stages of the same name. */
export function Compared({ one, other }: { one: string; other: string }) {
  const pair = useSignal<[StressRunDetail, StressRunDetail] | null>(null);
  useEffect(() => {
    let mine = true;
    pair.value = null;
    Promise.all([hub.stressRun(one), hub.stressRun(other)])
      .then((found) => {
        if (mine) pair.value = found;
      })
      .catch((fault: unknown) => {
        if (!(fault instanceof Refusal)) throw fault;
      });
    return () => {
      mine = false;
    };
  }, [one, other]);
  if (!pair.value) return null;
  const [left, right] = pair.value.toSorted((first, second) => first.view.started_at - second.view.started_at) as [StressRunDetail, StressRunDetail];
  const theirs = new Map(right.stages.map((stage) => [stage.stage.name, stage.ended]));
  const shared = left.stages.filter((stage) => theirs.has(stage.stage.name));
  const heads = words.headings;
  return (
    <section class="block" aria-label={words.compared}>
      <header class="block-head">
        <h2>
          {words.compared} <small>{`${left.view.id} → ${right.view.id}`}</small>
        </h2>
      </header>
      <div class="sheet sideways">
        <table class="list stages">
          <thead>
            <tr>
              <th scope="col">{heads.stage}</th>
              <th scope="col" class="number">
                {heads.achieved}
              </th>
              <th scope="col" class="number">
                {heads.p50}
              </th>
              <th scope="col" class="number">
                {heads.p99}
              </th>
              <th scope="col" class="number">
                {heads.errors}
              </th>
            </tr>
          </thead>
          <tbody>
            {shared.map(({ stage, ended }) => {
              const after = theirs.get(stage.name) ?? null;
              return (
                <tr key={stage.index}>
                  <th scope="row">{stage.name}</th>
                  <td class="number">{`${rate(ended?.achieved)} → ${rate(after?.achieved)}`}</td>
                  <td class="number">{`${figure(ended?.quantiles?.["p50"], "seconds")} → ${figure(after?.quantiles?.["p50"], "seconds")}`}</td>
                  <td class="number">{`${figure(ended?.quantiles?.["p99"], "seconds")} → ${figure(after?.quantiles?.["p99"], "seconds")}`}</td>
                  <td class="number">{`${plain(failures(ended))} → ${plain(failures(after))}`}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
