// The first screen: a sentence that answers, then servers worst first, the machines, and what happened last.
import { Charts } from "../charts/section.tsx";
import { blind, events, machines, sentence, servers, verdict } from "../store.ts";
import { overview } from "../strings.ts";
import { Events } from "../parts/events.tsx";
import { MachineTable } from "../parts/machine-table.tsx";
import { ServerTable } from "../parts/server-table.tsx";
import { Mark } from "../parts/state.tsx";

const RECENT = 8;
const MARKS = {
  up: { shape: "disc", tone: "good" },
  wrong: { shape: "cross", tone: "bad" },
  unknown: { shape: "ring", tone: "quiet" },
} as const;

export function OverviewPage() {
  const mark = MARKS[verdict.value];
  const only = machines.value?.length === 1 ? machines.value[0] : undefined;
  return (
    <>
      <h1 class="sentence">
        <Mark shape={mark.shape} tone={mark.tone} />
        <span>{blind.value ? overview.blind : sentence.value}</span>
      </h1>
      <div class="overview">
        {machines.value?.length !== 0 && <ServerTable list={servers.value ?? []} />}
        <MachineTable list={machines.value ?? []} />
        {only && (
          <Charts title={only.machine.name} scope="machine" machine={only.machine.name} only={["cpu", "memory", "network"]} fixed="10m" />
        )}
        <section class="block">
          <header class="block-head">
            <h2>{overview.recent}</h2>
            <a href="/events">{overview.allEvents}</a>
          </header>
          <div class="sheet">
            <Events list={events.value?.slice(0, RECENT) ?? null} />
          </div>
        </section>
      </div>
    </>
  );
}
