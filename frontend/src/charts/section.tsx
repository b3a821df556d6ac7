// All charts of a machine or a server under one choice of range; it tells the stream which panels are on the page.
import { useEffect } from "preact/hooks";
import type { PanelView } from "../api/types.ts";
import { subscribe } from "../live.ts";
import { type Range, RANGES, range, show } from "../route.ts";
import { panels } from "../store.ts";
import { charts, ranges } from "../strings.ts";
import { ChartCard } from "./chart.tsx";

type Props = { title: string; scope: "machine" | "server"; machine: string; server?: string; only?: string[]; fixed?: Range };

/** `only` picks panels by name; `fixed` shows one range without a choice. */
export function Charts({ title, scope, machine, server = "", only, fixed }: Props) {
  const shown = panels.value?.filter((panel) => panel.scope === scope && (!only || only.includes(panel.name))) ?? null;
  const names = shown?.map((panel) => panel.name).join() ?? "";
  const chosen = fixed ?? range.value;
  useEffect(() => {
    subscribe(names === "" ? [] : names.split(","), machine, server);
    return () => subscribe([], "", "");
  }, [names, machine, server]);
  return (
    <section class="block">
      <header class="block-head">
        <h2>
          {title} <small>{ranges[chosen].name}</small>
        </h2>
        {!fixed && <Ranges />}
      </header>
      <div class="charts">{(shown ?? skeletons(only?.length ?? 6)).map((panel) => place(panel, machine, server, chosen))}</div>
    </section>
  );
}

function place(panel: PanelView | number, machine: string, server: string, chosen: Range) {
  if (typeof panel === "number") return <figure key={panel} class="chart" aria-hidden="true" />;
  return <ChartCard key={`${panel.name} ${machine} ${server} ${chosen}`} panel={panel} machine={machine} server={server} range={chosen} />;
}

function skeletons(number: number): number[] {
  return Array.from({ length: number }, (_, index) => index);
}

function Ranges() {
  return (
    <div class="choice" role="group" aria-label={charts.range}>
      {RANGES.map((each) => (
        <button key={each} type="button" aria-pressed={range.value === each} onClick={() => show(each)}>
          {ranges[each].label}
        </button>
      ))}
    </div>
  );
}
