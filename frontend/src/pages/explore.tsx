// Any question in PromQL: typed with completion, answered as a chart and as a table, kept in the address to be shared.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { type Answer, prom } from "../api/prom.ts";
import { duration } from "../format.ts";
import { keepQuery, query, range, RANGES, seconds, zoom } from "../route.ts";
import { connection, hubNow } from "../store.ts";
import { charts, ranges } from "../strings.ts";
import { explore as words } from "../strings/explore.ts";
import { AnswerChart, AnswerTable } from "../charts/answer.tsx";
import { Question } from "../parts/question.tsx";

const POINTS = 400;

type Asked = { answer: Answer; start: number; end: number; step: number };

export function ExplorePage() {
  const said = new URLSearchParams(query.value);
  const expression = said.get("q") ?? "";
  const found = useSignal<Asked | null>(null);
  const refused = useSignal("");
  const busy = useSignal(false);
  const chosen = range.value;
  const part = zoom.value;
  useEffect(() => {
    refused.value = "";
    if (expression === "") {
      found.value = null;
      return undefined;
    }
    let mine = true;
    busy.value = true;
    const end = Math.round((part?.[1] ?? hubNow()) / 1000) * 1000;
    const start = part?.[0] ?? end - seconds(chosen) * 1000;
    const step = Math.max(1, Math.ceil((end - start) / 1000 / POINTS));
    prom
      .range(expression, start, end, step)
      .then((answer) => {
        if (mine) found.value = { answer, start, end, step };
      })
      .catch((fault: unknown) => {
        if (!(fault instanceof Refusal)) throw fault;
        if (mine) refused.value = fault.message;
      })
      .finally(() => {
        if (mine) busy.value = false;
      });
    return () => {
      mine = false;
    };
  }, [expression, chosen, part, connection.value]);
  const ask = (text: string) => keepQuery({ q: text, range: chosen === "10m" ? "" : chosen });
  const { answer, start, end, step } = found.value ?? { answer: null, start: 0, end: 0, step: 0 };
  return (
    <>
      <h1>{words.title}</h1>
      <Question text={expression} ask={ask} busy={busy.value} />
      {refused.value && (
        <p class="notice" role="alert">
          {refused.value}
        </p>
      )}
      {expression === "" && (
        <section class="block">
          <h2>{words.examples}</h2>
          <ul class="sheet plain-list">
            {words.tries.map(([title, text]) => (
              <li key={text}>
                <button type="button" class="try" onClick={() => ask(text)}>
                  <b>{title}</b> <code>{text}</code>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {answer && expression !== "" && (
        <section class="block">
          <header class="block-head">
            <h2>
              {words.series(answer.found.length)} <small>{words.step(duration(step))}</small>
            </h2>
            <div class="choice" role="group" aria-label={charts.range}>
              {RANGES.map((each) => (
                <button
                  key={each}
                  type="button"
                  aria-pressed={!part && chosen === each}
                  onClick={() => keepQuery({ q: expression, range: each === "10m" ? "" : each })}
                >
                  {ranges[each].label}
                </button>
              ))}
            </div>
          </header>
          {answer.warnings.map((warning) => (
            <p key={warning} class="notice">
              {warning}
            </p>
          ))}
          {answer.found.length === 0 ? (
            <p class="sheet empty">{words.none}</p>
          ) : (
            <>
              <AnswerChart
                title={expression}
                found={answer.found}
                start={start}
                end={end}
                step={step}
                zoom={(from, to) => keepQuery({ q: expression, from: String(Math.round(from)), to: String(Math.round(Math.max(to, from + 10_000))) })}
              />
              <AnswerTable found={answer.found} />
            </>
          )}
        </section>
      )}
    </>
  );
}
