// The field for a question in PromQL: a combobox that completes metrics, functions, labels and values as they are typed.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Refusal } from "../api/ask.ts";
import { prom } from "../api/prom.ts";
import { explore as words } from "../strings/explore.ts";
import { type Choice, chosenName, fitting, NAMES, settingOf } from "./completion.ts";

const MOST = 12;

let names: string[] | null = null; // of all metrics; asked for once
let about: Record<string, { type: string; help: string }[]> = {};

async function metricNames(): Promise<string[]> {
  if (names) return names;
  const [known, told] = await Promise.all([prom.values("__name__"), prom.metadata()]);
  names = known;
  about = told;
  return known;
}

/** What may come next at the cursor. */
async function choicesAt(text: string, cursor: number): Promise<{ from: number; list: Choice[] }> {
  const setting = settingOf(text, cursor);
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
      return { from: cursor, list: [] };
  }
}

export function Question({ text, ask, busy }: { text: string; ask: (text: string) => void; busy: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const written = useSignal(text);
  const offered = useSignal<{ from: number; list: Choice[] }>({ from: 0, list: [] });
  const at = useSignal(-1); // the choice that Enter takes
  const id = useId();
  useEffect(() => {
    written.value = text;
  }, [text]);

  async function offer(): Promise<void> {
    const input = field.current;
    if (!input) return;
    const [said, cursor] = [input.value, input.selectionStart ?? input.value.length];
    try {
      const found = await choicesAt(said, cursor);
      if (field.current?.value !== said) return; // typed on meanwhile
      offered.value = found;
      at.value = -1;
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      offered.value = { from: 0, list: [] };
    }
  }

  function close(): void {
    offered.value = { from: 0, list: [] };
    at.value = -1;
  }

  function take(choice: Choice): void {
    const input = field.current;
    if (!input) return;
    const cursor = input.selectionStart ?? input.value.length;
    const { from } = offered.value;
    written.value = input.value.slice(0, from) + choice.text + input.value.slice(cursor);
    close();
    requestAnimationFrame(() => {
      input.focus();
      input.setSelectionRange(from + choice.text.length, from + choice.text.length);
    });
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
        ask(written.value.trim());
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
