// The stress lab: start a plan on a server that has agreed, see what is under way, and what was found before.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { StressPlan, StressRunView, StressTarget } from "../api/types.ts";
import { duration } from "../format.ts";
import { go, stressPath } from "../route.ts";
import { connection, events, now } from "../store.ts";
import { incidents } from "../strings/incidents.ts";
import { stress as words } from "../strings/stress.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { Dialog } from "../parts/dialog.tsx";
import { type Standing, State } from "../parts/state.tsx";
import { Moment } from "../parts/time.tsx";
import { Compared } from "../parts/stress-compared.tsx";

const LISTED = 50;
const UNDER_WAY = 2000; // ms between looks while one is under way,
const ELSE = 15_000; // and else

export function runStanding(one: StressRunView): Standing {
  if (one.going) return { shape: "triangle", tone: "warn", word: words.states["running"] ?? "" };
  const word = words.verdicts[one.verdict] ?? words.states[one.state] ?? one.state;
  if (one.verdict === "pass") return { shape: "disc", tone: "good", word };
  if (one.verdict === "fail" || one.state === "broken" || one.state === "died") return { shape: "cross", tone: "bad", word };
  return { shape: "square", tone: "quiet", word };
}

type Known = { plans: StressPlan[]; targets: StressTarget[]; runs: StressRunView[] };

export function StressPage() {
  const known = useSignal<Known | null>(null);
  const chosen = useSignal<string[]>([]);
  const going = known.value?.runs.filter((one) => one.going).length ?? 0;
  useEffect(() => {
    let mine = true;
    const load = async () => {
      try {
        const [plans, targets, runs] = await Promise.all([hub.stressPlans(), hub.stressTargets(), hub.stressRuns(LISTED)]);
        if (mine) known.value = { plans, targets, runs };
      } catch (fault) {
        if (!(fault instanceof Refusal)) throw fault; // asked again soon
      }
    };
    void load();
    const turn = setInterval(
      () => {
        if (!document.hidden) void load();
      },
      going > 0 ? UNDER_WAY : ELSE,
    );
    return () => {
      mine = false;
      clearInterval(turn);
    };
  }, [connection.value, going, events.value?.[0]?.id]);
  const found = known.value;
  if (!found) {
    return (
      <>
        <h1>{words.title}</h1>
        <div class="waiting rows tall" aria-busy="true" />
      </>
    );
  }
  const pair = chosen.value.length === 2 ? chosen.value : null;
  return (
    <>
      <h1>{words.sentence(going, found.runs.length)}</h1>
      {mayAct() && <Start plans={found.plans} targets={found.targets.filter((one) => one.addresses.length > 0)} />}
      <section class="block">
        <header class="block-head">
          <h2>
            {words.runs} {found.runs.length > 1 && <small>{words.compareHint}</small>}
          </h2>
        </header>
        <ul class="sheet plain-list runs">
          {found.runs.length === 0 && <li class="empty">{words.none}</li>}
          {found.runs.map((one) => (
            <Run
              key={one.id}
              one={one}
              chosen={chosen.value.includes(one.id)}
              choose={() => (chosen.value = chosen.value.includes(one.id) ? chosen.value.filter((id) => id !== one.id) : [...chosen.value.slice(-1), one.id])}
            />
          ))}
        </ul>
      </section>
      {pair?.[0] && pair[1] && <Compared one={pair[0]} other={pair[1]} />}
    </>
  );
}

function Run({ one, chosen, choose }: { one: StressRunView; chosen: boolean; choose: () => void }) {
  const end = one.ended_at || now.value;
  return (
    <li data-run={one.id}>
      <label class="pick-run">
        <input type="checkbox" checked={chosen} aria-label={words.chooseThis(one.id)} onChange={choose} />
      </label>
      <State standing={runStanding(one)} />
      <div class="told-of">
        <a href={stressPath(one.id)}>
          <b>{one.plan}</b> {words.on(one.server || one.target, one.machine)}
        </a>
        <p class="beneath">
          {one.going && one.phase && <span>{one.phase}</span>}
          {one.why && <span>{one.why}</span>}
          <span>{words.lasted(duration((end - one.started_at) / 1000))}</span>
          {one.by && <span>{words.by(one.by)}</span>}
        </p>
      </div>
      <Moment at={one.started_at} />
    </li>
  );
}

function Start({ plans, targets }: { plans: StressPlan[]; targets: StressTarget[] }) {
  const target = useSignal(0);
  const plan = useSignal(0);
  const rate = useSignal("0");
  const time = useSignal("0");
  const asking = useSignal(false);
  const acting = useActing();
  const aim = targets[target.value];
  const wanted = plans[plan.value];
  if (!aim || !wanted) {
    return (
      <section class="block">
        <h2>{words.start}</h2>
        <div class="sheet empty help">
          <p>{words.noTarget}</p>
          <pre>
            <code>{words.noTargetExample}</code>
          </pre>
        </div>
      </section>
    );
  }
  const start = () =>
    acting.run(async () => {
      asking.value = false;
      const begun = await hub.startStress({
        plan: wanted.name,
        machine: aim.machine,
        server: aim.server,
        max_rate: Math.max(0, Number(rate.value) || 0),
        max_time: Math.max(0, Number(time.value) || 0),
      });
      go(stressPath(begun.id));
    });
  return (
    <section class="block">
      <h2>{words.start}</h2>
      <form
        class="sheet start-run"
        onSubmit={(event) => {
          event.preventDefault();
          asking.value = true;
        }}
      >
        <div class="test-line">
          <label class="field">
            {words.target}
            <select value={target.value} onChange={(event) => (target.value = Number(event.currentTarget.value))}>
              {targets.map((one, index) => (
                <option key={`${one.machine} ${one.server}`} value={index}>
                  {words.on(one.server, one.machine)}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            {words.plan}
            <select value={plan.value} onChange={(event) => (plan.value = Number(event.currentTarget.value))}>
              {plans.map((one, index) => (
                <option key={one.name} value={index}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
          <label class="field short">
            {words.maxRate}
            <input type="number" min="0" value={rate.value} onInput={(event) => (rate.value = event.currentTarget.value)} />
          </label>
          <label class="field short">
            {words.maxTime}
            <input type="number" min="0" value={time.value} onInput={(event) => (time.value = event.currentTarget.value)} />
          </label>
          <button type="submit" class="plain" aria-haspopup="dialog" disabled={acting.busy.value}>
            {words.go}
          </button>
        </div>
        <p class="quiet">{wanted.about}</p>
        <details>
          <summary>{words.show}</summary>
          {/* It scrolls on its own, so keys must be able to reach it. */}
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard (WCAG 2.1.1) */}
          <pre class="plan" tabIndex={0} role="region" aria-label={words.show}>
            <code>{wanted.toml}</code>
          </pre>
        </details>
        <p role="status" class="quiet">
          {acting.busy.value && words.starting}
        </p>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {incidents.refused} {acting.refused.value}
          </p>
        )}
      </form>
      {asking.value && (
        <Dialog title={words.ask(wanted.name, words.on(aim.server, aim.machine))} no={() => (asking.value = false)}>
          <p>{words.askMeans}</p>
          <div class="buttons">
            <button type="button" class="plain" onClick={() => (asking.value = false)}>
              {words.cancel}
            </button>
            <button type="button" class="danger" onClick={() => void start()}>
              {words.yes}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
