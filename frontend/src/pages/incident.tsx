// One incident: what is wrong and since when, who has it, what can be done; then what happened, in one order, and the evidence.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { hub, Refusal } from "../api/ask.ts";
import type { Alert, AlertDetail, EvidenceView, IncidentDetail, NotificationView, TimelineEntry } from "../api/types.ts";
import { duration, plain, when } from "../format.ts";
import { connection, hubNow, now } from "../store.ts";
import { incident as words, incidents as listWords } from "../strings/incidents.ts";
import { quietUntil, turns } from "../watch.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { IncidentActs, incidentStanding, Where } from "../parts/incidents.tsx";
import { AFTER, BEFORE, Evidence, Told, Ways } from "../parts/incident-side.tsx";
import { Mark, type Shape, State, type Tone } from "../parts/state.tsx";
import { Prose } from "../parts/prose.tsx";
import { useReloading } from "../parts/reloading.ts";
import { Moment } from "../parts/time.tsx";
import { Lost } from "./lost.tsx";

const LISTED = 50;

type Known = { detail: IncidentDetail; lead: AlertDetail | null; told: NotificationView[] | null; evidence: EvidenceView[] };

export function IncidentPage({ id }: { id: string }) {
  const known = useSignal<Known | null>(null);
  const gone = useSignal(false);
  const refused = useReloading((isShown) => load(id, known, gone, isShown), id, `${connection.value} ${turns.value}`);
  if (gone.value) return <Lost words={listWords.unknown} />;
  if (!known.value)
    return refused.value ? (
      <p class="bad" role="alert">
        {words.away} {refused.value}
      </p>
    ) : (
      <div class="waiting rows tall" aria-busy="true" />
    );
  const { detail, lead, told, evidence } = known.value;
  const { incident } = detail;
  const quiet = incident.state === "resolved" ? 0 : quietUntil(incident);
  return (
    <>
      <h1>
        {incident.title}
        <State standing={incidentStanding(incident)} />
      </h1>
      <div class="sheet standing incident-head">
        <dl class="facts-grid">
          <Fact name={words.opened}>
            <Moment at={incident.opened_at} />
          </Fact>
          {incident.resolved_at > 0 ? (
            <Fact name={words.lasted}>{duration((incident.resolved_at - incident.opened_at) / 1000)}</Fact>
          ) : (
            <Fact name={words.lasts}>{duration((now.value - incident.opened_at) / 1000)}</Fact>
          )}
          {incident.machine && (
            <Fact name={words.where}>
              <Where machine={incident.machine} server={incident.server} />
            </Fact>
          )}
          <Fact name={words.hands}>{incident.acknowledged_by || words.nobody}</Fact>
          {incident.assigned_to && <Fact name={words.meantFor}>{incident.assigned_to}</Fact>}
        </dl>
        {quiet > 0 && (
          <p class="notice">
            {words.suppressed} {listWords.silencedUntil(when(quiet, now.value))}.
          </p>
        )}
        {incident.drill && <p class="notice">{listWords.drill}</p>}
      </div>
      {incident.state !== "resolved" && mayAct() && (
        <div class="at-hand">
          <IncidentActs one={incident} />
        </div>
      )}
      <div class="columns">
        <div>
          <Alerts list={detail.alerts} lead={lead} />
          <Timeline list={detail.timeline} />
          {mayAct() && <Say id={id} />}
        </div>
        <div>
          <Ways detail={detail} />
          <Evidence list={evidence} />
          <Told list={told} />
        </div>
      </div>
    </>
  );
}

/** Fetch all of it: the incident is shown as soon as it is there, and what stands beside it when it comes, if it does. */
async function load(id: string, known: Signal<Known | null>, gone: Signal<boolean>, isShown: () => boolean): Promise<void> {
  const detail = await hub.incident(id).catch((fault: unknown) => {
    if (fault instanceof Refusal && fault.status === 404) return null;
    throw fault;
  });
  if (!isShown()) return;
  gone.value = detail === null;
  if (detail === null) return;
  const { machine, server, opened_at: opened, resolved_at: resolved } = detail.incident;
  const before = known.peek()?.detail.incident.id === id ? known.peek() : null;
  known.value = { lead: null, told: null, evidence: [], ...before, detail };
  const chief = detail.alerts.find((alert) => alert.state === "firing") ?? detail.alerts[0];
  const [lead, told, saved] = await Promise.all([
    chief ? hub.alert(chief.id).catch(() => null) : null,
    hub.notifications(id, LISTED).catch(() => null),
    machine ? hub.evidenceList(machine, server, LISTED).catch(() => null) : { evidence: [] },
  ]);
  if (!isShown()) return;
  const until = (resolved || hubNow()) + AFTER;
  known.value = {
    detail,
    lead: lead ?? before?.lead ?? null,
    told: told?.notifications ?? before?.told ?? null,
    evidence: saved?.evidence.filter((one) => one.at >= opened - BEFORE && one.at <= until) ?? before?.evidence ?? [],
  };
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Alerts({ list, lead }: { list: Alert[]; lead: AlertDetail | null }) {
  const rule = lead?.rule;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.alerts}</h2>
      </header>
      <ul class="sheet plain-list alerts">
        {list.map((alert) => (
          <AlertRow key={alert.id} alert={alert} />
        ))}
        {rule && (rule.first || rule.runbook) && (
          <li class="advice">
            <p>
              {rule.first && (
                <>
                  <b>{words.first}: </b>
                  <Prose text={rule.first} />
                </>
              )}{" "}
              {rule.runbook && (
                <a class="way" href={rule.runbook} target="_blank" rel="noreferrer">
                  {words.runbook}: {rule.name}
                </a>
              )}
            </p>
            {rule.why && (
              <p class="quiet">
                {words.why}: <Prose text={rule.why} />
              </p>
            )}
          </li>
        )}
      </ul>
    </section>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const over = alert.state === "resolved";
  const tone: Tone = over ? "good" : alert.state !== "firing" ? "quiet" : alert.severity === "critical" ? "bad" : "warn";
  const shape: Shape = over ? "disc" : alert.state !== "firing" ? "ring" : alert.severity === "critical" ? "cross" : "triangle";
  const name = alert.labels["alertname"] ?? "";
  return (
    <li data-alert={alert.id} data-state={alert.state}>
      <div class="told-of">
        <span class={`state ${tone}`}>
          <Mark shape={shape} tone={tone} />
          {alert.annotations["summary"] || name}
        </span>
        <p class="beneath">
          <a href={`/rules#${name}`}>{name}</a>
          <span>
            {words.states[alert.state]} · {alert.reason}
          </span>
          {Number.isFinite(alert.value) && <span>{plain(alert.value)}</span>}
          {alert.suppressed && <span>{alert.suppressed}</span>}
        </p>
      </div>
      <Moment at={alert.fired_at || alert.active_at} />
    </li>
  );
}

const KIND_MARKS: Record<TimelineEntry["kind"], { shape: Shape; tone: Tone }> = {
  alert: { shape: "triangle", tone: "warn" },
  event: { shape: "dot", tone: "quiet" },
  action: { shape: "square", tone: "quiet" },
  comment: { shape: "disc", tone: "quiet" },
  people: { shape: "disc", tone: "good" },
};

function Timeline({ list }: { list: TimelineEntry[] }) {
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.timeline}</h2>
      </header>
      <ol class="sheet timeline">
        {list.toReversed().map((entry) => (
          <li key={`${entry.at} ${entry.kind} ${entry.text}`} data-kind={entry.kind}>
            <span class="severity" title={words.kinds[entry.kind]}>
              <Mark {...KIND_MARKS[entry.kind]} />
              <span class="unseen">{words.kinds[entry.kind]}: </span>
            </span>
            <span class="what">{entry.text}</span>
            <Moment at={entry.at} />
          </li>
        ))}
      </ol>
    </section>
  );
}

/** A comment: short to type on a phone, and in the timeline as soon as the hub has it. */
function Say({ id }: { id: string }) {
  const text = useSignal("");
  const acting = useActing();
  return (
    <form
      class="sheet say"
      onSubmit={(event) => {
        event.preventDefault();
        void acting
          .run(async () => {
            await hub.comment(id, text.value);
            turns.value += 1;
          })
          .then((done) => {
            if (done) text.value = "";
          });
      }}
    >
      <label class="field">
        {words.comment}
        <textarea rows={2} maxLength={4000} placeholder={words.commentHint} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      </label>
      {acting.refused.value && (
        <p class="bad" role="alert">
          {listWords.refused} {acting.refused.value}
        </p>
      )}
      <button type="submit" class="plain" disabled={acting.busy.value || text.value.trim() === ""}>
        {words.send}
      </button>
    </form>
  );
}
