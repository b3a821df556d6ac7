// All rules and how each stands: what it says in words and in PromQL, what it would have done, and how to tune it.
import { computed, useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { RuleView } from "../api/types.ts";
import { duration } from "../format.ts";
import { keepQuery, query } from "../route.ts";
import { connection } from "../store.ts";
import { explore, rules as words } from "../strings/explore.ts";
import { turns } from "../watch.ts";
import { fits } from "../parts/filter.tsx";
import { Prose } from "../parts/prose.tsx";
import { useReloading } from "../parts/reloading.ts";
import { RuleTest } from "../parts/rule-test.tsx";
import { Mark, type Standing } from "../parts/state.tsx";
import { Moment } from "../parts/time.tsx";

const ASK_AGAIN = 30_000; // ms

/** How a rule stands: what needs somebody first. */
export function ruleStanding(rule: RuleView): Standing {
  if (rule.fault) return { shape: "square", tone: "bad", word: words.states.faulty };
  if (rule.alerts > 0) return { shape: "triangle", tone: "warn", word: `${words.states.firing}: ${rule.alerts}` };
  if (rule.dormant) return { shape: "ring", tone: "quiet", word: words.states.dormant };
  if (rule.kind === "record") return { shape: "dot", tone: "quiet", word: words.states.record };
  return { shape: "disc", tone: "good", word: words.states.watching };
}

const RANK: Record<Standing["tone"], number> = { bad: 0, warn: 1, good: 2, quiet: 3 };
const find = computed(() => new URLSearchParams(query.value).get("find") ?? "");

export function RulesPage() {
  const list = useSignal<RuleView[] | null>(null);
  useReloading(
    async (isShown) => {
      const found = await hub.rules();
      if (isShown()) list.value = found.toSorted((one, other) => RANK[ruleStanding(one).tone] - RANK[ruleStanding(other).tone] || one.name.localeCompare(other.name));
    },
    "",
    `${connection.value} ${turns.value}`,
    ASK_AGAIN,
  );
  const known = list.value;
  const all = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = known?.filter((rule) => fits(`${rule.name} ${rule.severity} ${rule.group} ${rule.expr} ${rule.why} ${ruleStanding(rule).word}`, all)) ?? [];
  const named = location.hash.slice(1);
  return (
    <>
      <h1>{known ? words.sentence(known.length, known.filter((rule) => rule.alerts > 0).length, known.filter((rule) => rule.fault).length) : words.title}</h1>
      <search class="filter">
        <input
          type="search"
          aria-label={words.find}
          placeholder={words.findHint}
          aria-keyshortcuts="/"
          value={find.value}
          onInput={(event) => keepQuery({ find: event.currentTarget.value })}
        />
      </search>
      {known === null ? (
        <div class="waiting rows tall" aria-hidden="true" />
      ) : (
        <div class="sheet rules">
          {shown.length === 0 && <p class="empty">{words.none}</p>}
          {shown.map((rule) => (
            <RuleRow key={rule.key} rule={rule} open={rule.name === named} />
          ))}
        </div>
      )}
    </>
  );
}

function RuleRow({ rule, open }: { rule: RuleView; open: boolean }) {
  const standing = ruleStanding(rule);
  const seen = useSignal(open);
  return (
    <details class="rule" open={open} data-rule={rule.key} onToggle={(event) => (seen.value = event.currentTarget.open)}>
      <summary id={rule.name}>
        <span class={`state ${standing.tone}`}>
          <Mark shape={standing.shape} tone={standing.tone} />
          <span class="word">{standing.word}</span>
        </span>
        <b>{rule.name}</b>
        <span class="quiet roomy">{rule.kind === "alert" ? rule.severity : ""}</span>
        <span class="quiet roomy about-rule">{rule.why || rule.expr}</span>
      </summary>
      {seen.value && <Inside rule={rule} />}
    </details>
  );
}

function Inside({ rule }: { rule: RuleView }) {
  const terms = [
    rule.for_seconds > 0 ? words.holds(duration(rule.for_seconds)) : "",
    rule.keep_firing_for_seconds > 0 ? words.keeps(duration(rule.keep_firing_for_seconds)) : "",
    rule.judged,
    rule.stock ? words.stock : words.yours,
  ].filter(Boolean);
  return (
    <div class="inside">
      {rule.fault && (
        <p class="notice">
          {rule.fault} <Moment at={rule.at} />
        </p>
      )}
      {rule.dormant && <p class="quiet">{rule.dormant}</p>}
      <pre>
        <code>{rule.expr}</code>
      </pre>
      <p class="quiet">
        {terms.join(" · ")}
        {rule.clear && (
          <>
            {" · "}
            {words.clears} <code>{rule.clear}</code>
          </>
        )}
      </p>
      {rule.why && (
        <p>
          <b>{words.why}:</b> <Prose text={rule.why} />
        </p>
      )}
      {rule.first && (
        <p>
          <b>{words.first}:</b> <Prose text={rule.first} />
        </p>
      )}
      <p class="ways">
        <a class="way" href={`/explore?${new URLSearchParams({ q: rule.expr })}`} title={explore.title}>
          {words.explore}
        </a>
        {rule.runbook && (
          <a class="way" href={rule.runbook} target="_blank" rel="noreferrer">
            {words.runbook}
          </a>
        )}
        {rule.where && <span class="quiet">{rule.where}</span>}
      </p>
      {rule.kind === "alert" && !rule.dormant && <RuleTest rule={rule} />}
    </div>
  );
}
