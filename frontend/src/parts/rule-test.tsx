// A rule replayed over what is stored, as it is or with other figures; what changes is shown as the TOML that would do it.
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { BackTest, RuleView } from "../api/types.ts";
import { duration } from "../format.ts";
import { pathAt } from "../route.ts";
import { now } from "../store.ts";
import { incidents } from "../strings/incidents.ts";
import { rules as words } from "../strings/explore.ts";
import { written } from "../api/prom.ts";
import { useActing } from "./acting.ts";
import { Moment } from "./time.tsx";

const SPANS = [86_400, 604_800, 2_592_000];
const SHOWN = 50;
const AROUND = 600_000; // ms

type Figures = Record<string, number | string>;

/** A parameter as it was typed, of the kind that it is. */
export function typed(text: string, known: number | string): number | string {
  return typeof known === "number" && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text.trim();
}

/** The `[[tune]]` that makes these changes. */
export function tuneOf(rule: RuleView, set: Figures, hold: number): string {
  const lines = ["[[tune]]", `rule = ${JSON.stringify(rule.name)}`, `only = ${JSON.stringify(rule.severity)}`];
  const figures = Object.entries(set).map(([name, value]) => `${name} = ${typeof value === "number" ? String(value) : JSON.stringify(value)}`);
  if (figures.length > 0) lines.push(`set = { ${figures.join(", ")} }`);
  if (hold > 0 && hold !== rule.for_seconds) lines.push(`for = "${hold}s"`);
  return `${lines.join("\n")}\n`;
}

export function RuleTest({ rule }: { rule: RuleView }) {
  const span = useSignal(SPANS[0] ?? 86_400);
  const changed = useSignal<Record<string, string>>({});
  const hold = useSignal(String(rule.for_seconds));
  const result = useSignal<BackTest | null>(null);
  const copied = useSignal(false);
  const acting = useActing();
  const id = useId();
  const set = Object.fromEntries(
    Object.entries(changed.value).flatMap(([name, text]) => {
      const known = rule.parameters[name];
      if (known === undefined) return [];
      const value = typed(text, known);
      return value === known || value === "" ? [] : [[name, value] as const];
    }),
  );
  const seconds = Number(hold.value) > 0 ? Number(hold.value) : 0;
  const isTuned = Object.keys(set).length > 0 || (seconds > 0 && seconds !== rule.for_seconds);
  const toml = tuneOf(rule, set, seconds);
  const test = () =>
    acting.run(async () => {
      result.value = null;
      result.value = await hub.testRule({ rule: rule.key, since_seconds: span.value, set, for_seconds: seconds === rule.for_seconds ? 0 : seconds });
    });
  return (
    <form
      class="rule-test"
      onSubmit={(event) => {
        event.preventDefault();
        void test();
      }}
    >
      <div class="test-line">
        {rule.stock &&
          Object.entries(rule.parameters).map(([name, value]) => (
            <label key={name} class="field short">
              {name}
              <input
                type="text"
                value={changed.value[name] ?? String(value)}
                onInput={(event) => (changed.value = { ...changed.value, [name]: event.currentTarget.value })}
              />
            </label>
          ))}
        {rule.stock && (
          <label class="field short">
            {words.hold}
            <input type="text" inputMode="decimal" value={hold.value} onInput={(event) => (hold.value = event.currentTarget.value)} />
          </label>
        )}
        <label class="field short" for={`${id}span`}>
          {words.since}
          <select id={`${id}span`} value={span.value} onChange={(event) => (span.value = Number(event.currentTarget.value))}>
            {SPANS.map((one) => (
              <option key={one} value={one}>
                {words.spans[one]}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="plain" disabled={acting.busy.value}>
          {acting.busy.value ? words.testing : words.test}
        </button>
      </div>
      {acting.refused.value && (
        <p class="bad" role="alert">
          {incidents.refused} {acting.refused.value}
        </p>
      )}
      {result.value && <Result test={result.value} />}
      {rule.stock && isTuned && (
        <div class="tune">
          <p>{words.tuneHint}</p>
          <pre>
            <code>{toml}</code>
          </pre>
          <button
            type="button"
            class="plain"
            onClick={() => {
              // Without TLS browsers give no clipboard; the text can still be marked by hand.
              const board = navigator.clipboard as Clipboard | undefined;
              void board?.writeText(toml).then(() => {
                copied.value = true;
              });
            }}
          >
            {copied.value ? words.copied : words.copy}
          </button>
        </div>
      )}
    </form>
  );
}

function Result({ test }: { test: BackTest }) {
  const span = duration((test.end - test.start) / 1000);
  return (
    <div role="status" class="result">
      <p>
        <b>{words.result(test.fired, test.messages, span)}</b> <small>{words.coarse(duration(test.step_seconds))}</small>
      </p>
      {test.firings.length > 0 && (
        <div class="sideways">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">{words.from}</th>
                <th scope="col">{words.length}</th>
                <th scope="col">{words.about}</th>
              </tr>
            </thead>
            <tbody>
              {test.firings.slice(0, SHOWN).map((one) => {
                const { machine = "", server = "", alertname: _, severity: __, ...rest } = one.labels;
                const end = one.ongoing ? now.value : one.until;
                return (
                  <tr key={`${one.since} ${written(one.labels)}`}>
                    <td>
                      <Moment at={one.since} />
                    </td>
                    <td>{one.ongoing ? `${words.ongoing}, ${duration((end - one.since) / 1000)}` : duration((one.until - one.since) / 1000)}</td>
                    <td>
                      {machine && <a href={pathAt(machine, server, [one.since - AROUND, end + AROUND], one.since)}>{[server, machine].filter(Boolean).join(" on ")}</a>}{" "}
                      {Object.keys(rest).length > 0 && <small>{written(rest)}</small>}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
