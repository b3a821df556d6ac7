// All charts of a machine or a server under one choice of range; it tells the stream which panels are on the page.
import { useEffect } from "preact/hooks";
import type { PanelView } from "../api/types.ts";
import { subscribe } from "../live.ts";
import { type Range, RANGES, range, seconds, show, type Zoom, zoom, zoomTo } from "../route.ts";
import { findMachine, hubNow, panels } from "../store.ts";
import { charts, ranges } from "../strings.ts";
import { spanName, time as words } from "../strings/time.ts";
import { ChartCard } from "./chart.tsx";
import { NoteLine } from "./note-line.tsx";
import { followNotes } from "./notes.ts";
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
  const part = fixed ? null : zoom.value;
  useEffect(() => followNotes(machine, server, chosen, part), [machine, server, chosen, part]);
  useEffect(() => {
    subscribe(names === "" ? [] : names.split(","), machine, server);
    return () => subscribe([], "", "");
  }, [names, machine, server]);
  return (
    <section class="block">
      <header class="block-head">
        <h2>
          {title} <small>{spanName(chosen, part)}</small>
        </h2>
        {!fixed && <Ranges />}
      </header>
      {!fixed && <NoteLine />}
      {shown.length < known.length && (
        <div class="sheet">
          <UpStrip key={chosen} machine={machine} server={server} range={chosen} zoom={part} />
        </div>
      )}
      <Grid list={shown} machine={machine} server={server} range={chosen} zoom={part} whole={whole} />
      {own.length > 0 && (
        <>
          <h2 class="charts-title">{ownTitle}</h2>
          <Grid list={own} machine={machine} server={server} range={chosen} zoom={part} whole={0} />
        </>
      )}
    </section>
  );
}

type GridProps = { list: PanelView[]; machine: string; server: string; range: Range; zoom: Zoom | null; whole: number };

function Grid({ list, machine, server, range: chosen, zoom: part, whole }: GridProps) {
  return (
    <div class={list.length % 4 === 0 ? "charts by-four" : list.length % 3 === 0 ? "charts by-three" : "charts"}>
      {list.map((panel) => (
        <ChartCard
          key={`${panel.name} ${machine} ${server} ${part?.join() ?? chosen}`}
          panel={panel}
          machine={machine}
          server={server}
          range={chosen}
          zoom={part}
          whole={panel.name === "memory" ? whole : 0}
        />
      ))}
    </div>
  );
}

/** Presets up to now, and steps through the past: each of them is an address. */
function Ranges() {
  const part = zoom.value;
  const [from, to] = part ?? [hubNow() - seconds(range.value) * 1000, hubNow()];
  const span = to - from;
  const move = (by: number) => zoomTo(from + by * span, to + by * span);
  return (
    <div class="times">
      <div class="choice steps" role="group" aria-label={words.steps}>
        <button type="button" aria-label={words.back} title={words.back} onClick={() => move(-0.5)}>
          ←
        </button>
        <button type="button" aria-label={words.closer} title={words.closer} onClick={() => zoomTo(from + span / 4, to - span / 4)}>
          +
        </button>
        <button type="button" aria-label={words.wider} title={words.wider} onClick={() => zoomTo(from - span / 2, Math.min(to + span / 2, hubNow()))}>
          −
        </button>
        <button type="button" aria-label={words.on} title={words.on} disabled={to >= hubNow() - 1000} onClick={() => move(0.5)}>
          →
        </button>
      </div>
      <div class="choice" role="group" aria-label={charts.range}>
        {RANGES.map((each) => (
          <button key={each} type="button" aria-pressed={!part && range.value === each} onClick={() => show(each)}>
            {ranges[each].label}
          </button>
        ))}
      </div>
    </div>
  );
}
