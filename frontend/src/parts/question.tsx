// The field for a question in PromQL: a combobox that completes metrics, functions, labels and values as they are typed.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { prom } from "../api/prom.ts";
import { explore as words } from "../strings/explore.ts";
import { type Choice, chosenName, fitting, NAMES, type Setting, settingOf } from "./completion.ts";

const MOST = 12;
const NOTHING = { from: 0, list: [] };

let names: string[] | null = null; // of all metrics; asked for once
let about: Record<string, { type: string; help: string }[]> = {};

async function metricNames(): Promise<string[]> {
  if (names) return names;
  const [known, told] = await Promise.all([prom.values("__name__"), prom.metadata()]);
  names = known;
  about = told;
  return known;
}

/** What may come next there. */
async function choicesIn(setting: Setting): Promise<{ from: number; list: Choice[] }> {
  switch (setting.kind) {
    case "name": {
      const all = [...(await metricNames()), ...NAMES];
      const list = fitting(setting.word, all, MOST).map((name) => ({ text: chosenName(name), shown: name, about: about[name]?.[0]?.help ?? "" }));
      return { from: setting.from, list };
    }
    case "label": {
      const list = fitting(setting.word, (await prom.labels(setting.metric)).filter((name) => name !== "__name__"), MOST);
      return { from: setting.from, list: list.map((name) => ({ text: name, shown: name, about: "" })) };
    }
    case "value": {
      const list = fitting(setting.word, await prom.values(setting.label, setting.metric), MOST);
      return { from: setting.from, list: list.map((value) => ({ text: value.replaceAll("\\", "\\\\").replaceAll('"', '\\"'), shown: value, about: "" })) };
    }
    case "none":
      return NOTHING;
  }
}

export function Question({ text, ask, busy }: { text: string; ask: (text: string) => void; busy: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const written = useSignal(text);
  const offered = useSignal<{ from: number; list: Choice[] }>(NOTHING);
  const at = useSignal(-1); // the choice that Enter takes
  const turn = useRef(0); // of offers: a late one is none
  const asked = useRef(text);
  const id = useId();
  useEffect(() => {
    if (text !== asked.current) written.value = text; // from elsewhere; what was asked here may have been typed on
    asked.current = text;
  }, [text]);

  async function offer(): Promise<void> {
    const input = field.current;
    if (!input) return;
    const setting = settingOf(input.value, input.selectionStart ?? input.value.length);
    if (setting.kind === "none" || setting.from !== offered.value.from) close(); // it was offered for another word
    const mine = ++turn.current;
    try {
      const found = await choicesIn(setting);
      if (turn.current !== mine) return; // typed on, taken or closed meanwhile
      const chosen = offered.value.list[at.value]?.text; // from what was offered a letter before: it stays chosen
      offered.value = found;
      at.value = found.list.findIndex((choice) => choice.text === chosen);
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      close();
    }
  }

  function close(): void {
    turn.current += 1;
    offered.value = NOTHING;
    at.value = -1;
  }

  function take(choice: Choice): void {
    const input = field.current;
    if (!input) return;
    const cursor = input.selectionStart ?? input.value.length;
    const { from } = offered.value;
    // Into the field at once and not with the next drawing: what is typed until then would find the cursor elsewhere.
    input.value = input.value.slice(0, from) + choice.text + input.value.slice(cursor);
    input.focus();
    input.setSelectionRange(from + choice.text.length, from + choice.text.length);
    written.value = input.value;
    close();
  }

  function pressed(event: KeyboardEvent): void {
    const { list } = offered.value;
    const chosen = list[at.value];
    if (event.key === "ArrowDown" && list.length > 0) at.value = (at.value + 1) % list.length;
    else if (event.key === "ArrowUp" && list.length > 0) at.value = (at.value <= 0 ? list.length : at.value) - 1;
    else if ((event.key === "Enter" || event.key === "Tab") && chosen) take(chosen);
    else if (event.key === "Escape" && list.length > 0) close();
    else return;
    event.preventDefault();
  }

  const { list } = offered.value;
  return (
    <form
      class="ask"
      onSubmit={(event) => {
        event.preventDefault();
        close();
        asked.current = written.value.trim();
        ask(asked.current);
      }}
    >
      <label class="field" for={`${id}field`}>
        {words.question}
      </label>
      <div class="ask-line">
        <div class="ask-field">
          <input
            ref={field}
            id={`${id}field`}
            type="text"
            class="code"
            role="combobox"
            aria-expanded={list.length > 0}
            aria-controls={`${id}list`}
            aria-autocomplete="list"
            aria-keyshortcuts="/"
            {...(list[at.value] ? { "aria-activedescendant": `${id}${at.value}` } : {})}
            autocomplete="off"
            spellcheck={false}
            placeholder={words.hint}
            value={written.value}
            onInput={(event) => {
              written.value = event.currentTarget.value;
              void offer();
            }}
            onKeyDown={pressed}
            onBlur={() => setTimeout(close, 150)}
          />
          <div id={`${id}list`} role="listbox" aria-label={words.completions} class="offers" hidden={list.length === 0}>
            {list.map((choice, index) => (
              // Keys are taken by the field, as in every combobox.
              // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the keys go to the field above, which has the focus
              <div
                key={choice.shown}
                id={`${id}${index}`}
                role="option"
                aria-selected={at.value === index}
                tabIndex={-1}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => take(choice)}
              >
                <code>{choice.shown}</code> <small>{choice.about}</small>
              </div>
            ))}
          </div>
        </div>
        <button type="submit" class="chief" disabled={busy}>
          {busy ? words.asking : words.ask}
        </button>
      </div>
    </form>
  );
}
