// All charts of a machine or a server under one choice of range; it tells the stream which panels are on the page.
import { useEffect } from "preact/hooks";
import { subscribe } from "../live.ts";
import { type Range, RANGES, range, show } from "../route.ts";
import { findMachine, panels } from "../store.ts";
import { charts, ranges } from "../strings.ts";
import { ChartCard } from "./chart.tsx";
import { UpStrip } from "./strip.tsx";

const STRIP = "server_up"; // up or down is a strip, not a line

type Props = { title: string; scope: "machine" | "server"; machine: string; server?: string; only?: string[]; fixed?: Range };

/** `only` picks panels by name; `fixed` shows one range without a choice. */
export function Charts({ title, scope, machine, server = "", only, fixed }: Props) {
  const known = panels.value?.filter((panel) => panel.scope === scope && (!only || only.includes(panel.name))) ?? [];
  const shown = known.filter((panel) => panel.name !== STRIP);
  const names = known.map((panel) => panel.name).join();
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
      <div class={shown.length % 4 === 0 ? "charts by-four" : shown.length % 3 === 0 ? "charts by-three" : "charts"}>
        {shown.map((panel) => (
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
    </section>
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
