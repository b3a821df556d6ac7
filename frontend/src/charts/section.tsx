// All charts of a machine or a server under one choice of range; it tells the stream which panels are on the page.
import { useEffect } from "preact/hooks";
import type { PanelView } from "../api/types.ts";
import { subscribe } from "../live.ts";
import { type Range, RANGES, range, show } from "../route.ts";
import { findMachine, panels } from "../store.ts";
import { charts, ranges } from "../strings.ts";
import { ChartCard } from "./chart.tsx";
import { UpStrip } from "./strip.tsx";

const STRIP = "server_up"; // up or down is a strip, not a line

const NONE: PanelView[] = [];

type Props = {
  title: string;
  scope: "machine" | "server";
  machine: string;
  server?: string;
  only?: string[];
  fixed?: Range;
  own?: PanelView[];
  ownTitle?: string;
};

/** `only` picks panels by name; `fixed` shows one range without a choice; `own` are more panels, under a title of theirs. */
export function Charts({ title, scope, machine, server = "", only, fixed, own = NONE, ownTitle = "" }: Props) {
  const known = panels.value?.filter((panel) => panel.scope === scope && (!only || only.includes(panel.name))) ?? [];
  const shown = known.filter((panel) => panel.name !== STRIP);
  const names = [...known, ...own].map((panel) => panel.name).join();
  const whole = findMachine(machine)?.machine.memory_bytes ?? 0;
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
      {shown.length < known.length && (
        <div class="sheet">
          <UpStrip key={chosen} machine={machine} server={server} range={chosen} />
        </div>
      )}
      <Grid list={shown} machine={machine} server={server} range={chosen} whole={whole} />
      {own.length > 0 && (
        <>
          <h2 class="charts-title">{ownTitle}</h2>
          <Grid list={own} machine={machine} server={server} range={chosen} whole={0} />
        </>
      )}
    </section>
  );
}

function Grid({ list, machine, server, range: chosen, whole }: { list: PanelView[]; machine: string; server: string; range: Range; whole: number }) {
  return (
    <div class={list.length % 4 === 0 ? "charts by-four" : list.length % 3 === 0 ? "charts by-three" : "charts"}>
      {list.map((panel) => (
        <ChartCard
          key={`${panel.name} ${machine} ${server} ${chosen}`}
          panel={panel}
          machine={machine}
          server={server}
          range={chosen}
          whole={panel.name === "memory" ? whole : 0}
        />
      ))}
    </div>
  );
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
