// The first screen: a sentence that answers, then servers worst first, the machines, and what happened last.
import { Charts } from "../charts/section.tsx";
import { blind, events, machines, sentence, verdict } from "../store.ts";
import { overview } from "../strings.ts";
import { fleet } from "../strings/fleet.ts";
import { incidents as incidentWords } from "../strings/incidents.ts";
import { incidents } from "../watch.ts";
import { Events } from "../parts/events.tsx";
import { IncidentRows } from "../parts/incidents.tsx";
import { Mark } from "../parts/state.tsx";
import { Fleet } from "./fleet.tsx";

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
        <OpenIncidents />
        <Fleet withServers />
        {only && (
          <Charts title={only.machine.name} scope="machine" machine={only.machine.name} only={["cpu", "memory", "network"]} fixed="10m" />
        )}
        <section class="block">
          <header class="block-head">
            <h2>{fleet.changed}</h2>
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

const SHOWN = 5;

/** What waits for somebody, before everything else; nothing at all while nothing does. */
function OpenIncidents() {
  const list = incidents.value ?? [];
  if (list.length === 0) return null;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{incidentWords.open}</h2>
        <a href="/incidents">{list.length > SHOWN ? `${incidentWords.all} (${list.length})` : incidentWords.all}</a>
      </header>
      <div class="sheet">
        <IncidentRows list={list.slice(0, SHOWN)} />
      </div>
    </section>
  );
}
