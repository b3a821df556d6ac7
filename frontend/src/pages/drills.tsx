// Drills: is the way from a fault to a person proved, when was it last, run one now, and read how each went.
import { useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { DrillsView, DrillView, ScenarioView } from "../api/types.ts";
import { duration, figure } from "../format.ts";
import { connection, events, now } from "../store.ts";
import { drills as words } from "../strings/drills.ts";
import { incident as incidentWords, incidents } from "../strings/incidents.ts";
import { incidentPath } from "../route.ts";
import { turns } from "../watch.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { Dialog } from "../parts/dialog.tsx";
import { useReloading } from "../parts/reloading.ts";
import { Mark, type Standing, State } from "../parts/state.tsx";
import { Moment } from "../parts/time.tsx";

const LISTED = 50;
const UNDER_WAY = 1000; // ms between looks while one is under way,
const ELSE = 15_000; // and else

function standing({ drill }: DrillView): Standing {
  const word = words.states[drill.state];
  switch (drill.state) {
    case "passed":
      return { shape: "disc", tone: "good", word };
    case "failed":
      return { shape: "cross", tone: "bad", word };
    case "interrupted":
      return { shape: "square", tone: "warn", word };
    default:
      return { shape: "triangle", tone: "warn", word };
  }
}

function isOver({ drill }: DrillView): boolean {
  return drill.state !== "preparing" && drill.state !== "running";
}

export function DrillsPage() {
  const found = useSignal<DrillsView | null>(null);
  const scenarios = useSignal<ScenarioView[]>([]);
  const again = useSignal(0);
  const going = found.value?.drills.some((one) => !isOver(one)) ?? false;
  useReloading(
    async (isShown) => {
      const [list, kinds] = await Promise.all([hub.drills(LISTED), scenarios.peek().length > 0 ? scenarios.peek() : hub.scenarios()]);
      if (!isShown()) return;
      found.value = list;
      scenarios.value = kinds;
    },
    "",
    [connection.value, turns.value, again.value, events.value?.[0]?.id].join(" "),
    going ? UNDER_WAY : ELSE,
  );
  const list = found.value?.drills ?? [];
  const current = list.find((one) => !isOver(one));
  const last = list.find(isOver);
  return (
    <>
      <h1>
        {current
          ? words.under(current.drill.scenario)
          : last
            ? words.last(words.words[last.drill.state], duration((now.value - last.drill.at) / 1000))
            : found.value
              ? words.never
              : words.title}
      </h1>
      <p class="facts">{words.what}</p>
      {current && <Course view={current} changed={() => (again.value += 1)} />}
      <Scenarios list={scenarios.value} free={!current} started={() => (again.value += 1)} />
      <p class="quiet">
        {found.value &&
          (found.value.next_at > 0 ? (
            <>
              {words.next}: <Moment at={found.value.next_at} />
            </>
          ) : (
            words.noNext
          ))}
      </p>
      {list.length > 0 && (
        <section class="block">
          <header class="block-head">
            <h2>{words.past}</h2>
          </header>
          <div class="sheet">
            {list.filter(isOver).map((one) => (
              <Past key={one.drill.id} view={one} />
            ))}
          </div>
        </section>
      )}
    </>
  );
}

function Course({ view, changed }: { view: DrillView; changed: () => void }) {
  const acting = useActing();
  const callOff = () => acting.run(() => hub.callOffDrill(view.drill.id)).then(changed);
  return (
    <section class="sheet standing" data-drill={view.drill.id}>
      <div class="state-line">
        <State standing={standing(view)} />
        <span class="reason" role="status">
          {view.drill.fault || view.proof}
        </span>
        {mayAct() && (
          <div class="actions">
            <div class="buttons">
              <button type="button" class="grave stop" disabled={acting.busy.value} onClick={() => void callOff()}>
                {words.callOff}
              </button>
            </div>
          </div>
        )}
      </div>
      {acting.refused.value && (
        <p class="bad" role="alert">
          {incidents.refused} {acting.refused.value}
        </p>
      )}
      <Legs view={view} />
    </section>
  );
}

function Legs({ view }: { view: DrillView }) {
  const { legs } = view.drill;
  const fault = legs.find((leg) => leg.name === "fault")?.at ?? 0;
  if (legs.length === 0) return null;
  const heads = words.legHeadings;
  return (
    <div class="sideways">
      <table class="list legs">
        <thead>
          <tr>
            <th scope="col">{heads.leg}</th>
            <th scope="col" class="number">
              {heads.after}
            </th>
            <th scope="col" class="roomy">
              {heads.seen}
            </th>
          </tr>
        </thead>
        <tbody>
          {legs.map((leg) => (
            <tr key={`${leg.name} ${leg.channel}`} data-leg={leg.name}>
              <th scope="row">
                {words.legNames[leg.name] ?? leg.name}
                {leg.channel && <small>{leg.channel}</small>}
              </th>
              <td class="number">{figure((leg.at - fault) / 1000, "seconds")}</td>
              <td class="roomy">{leg.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Past({ view }: { view: DrillView }) {
  const { drill } = view;
  const place = `/api/drills/${encodeURIComponent(drill.id)}/certificate`;
  return (
    <details class="rule drill" data-drill={drill.id}>
      <summary>
        <State standing={standing(view)} />
        <b>{drill.scenario}</b>
        <Moment at={drill.at} />
        <span class="quiet roomy about-rule">{drill.why || view.proof}</span>
      </summary>
      <div class="inside">
        {drill.why && <p class="notice">{drill.why}</p>}
        <p>
          {drill.fault} · {view.proof} · {words.by(drill.by)}
          {drill.incident && (
            <>
              {" · "}
              <a class="way" href={incidentPath(drill.incident)}>
                {drill.summary || incidentWords.alerts}
              </a>
            </>
          )}
        </p>
        <Legs view={view} />
        <p class="ways">
          <a class="way" href={place} target="_blank" rel="noreferrer">
            {words.certificate}
          </a>
          <a class="way" href={`${place}?form=json`} download>
            {words.json}
          </a>
        </p>
      </div>
    </details>
  );
}

function Scenarios({ list, free, started }: { list: ScenarioView[]; free: boolean; started: () => void }) {
  const chosen = useSignal("");
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.scenarios}</h2>
      </header>
      <ul class="sheet plain-list">
        {list.map((one) => (
          <li key={one.name} data-scenario={one.name}>
            <div class="told-of">
              <span class={`state ${one.unavailable ? "quiet" : "good"}`}>
                <Mark shape={one.unavailable ? "ring" : "disc"} tone={one.unavailable ? "quiet" : "good"} />
                {one.name}
              </span>
              <p class="beneath">
                <span>{one.about}</span>
                {one.rules.length > 0 && <span>{words.rules(one.rules.join(", "))}</span>}
                {one.unavailable && <span>{words.unavailable(one.unavailable)}</span>}
              </p>
            </div>
            {mayAct() && !one.unavailable && one.name !== "server" && (
              <button type="button" class="plain" aria-haspopup="dialog" aria-label={words.runThis(one.name)} disabled={!free} onClick={() => (chosen.value = one.name)}>
                {words.run}
              </button>
            )}
          </li>
        ))}
      </ul>
      {chosen.value && <Ask scenario={chosen.value} no={() => (chosen.value = "")} started={started} />}
    </section>
  );
}

function Ask({ scenario, no, started }: { scenario: string; no: () => void; started: () => void }) {
  const wait = useSignal("0");
  const acting = useActing();
  return (
    <Dialog title={words.ask(scenario)} no={no}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void acting.run(() => hub.startDrill({ scenario, acknowledge_seconds: Math.max(0, Number(wait.value) || 0) })).then((done) => {
            if (!done) return;
            started();
            no();
          });
        }}
      >
        <p>{words.askMeans}</p>
        <label class="field">
          {words.wait}
          <input type="number" min="0" max="3600" value={wait.value} onInput={(event) => (wait.value = event.currentTarget.value)} />
        </label>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {incidents.refused} {acting.refused.value}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="plain" onClick={no}>
            {words.cancel}
          </button>
          <button type="submit" class="chief" disabled={acting.busy.value}>
            {words.yes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
