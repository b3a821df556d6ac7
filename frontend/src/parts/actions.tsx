// What can be done with a server: everyday buttons plain, dangerous ones behind a question, and what became of it.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { ActionView, ServerView, Verb } from "../api/types.ts";
import { actions, key, now, takeAction } from "../store.ts";
import { act } from "../strings.ts";
import { Mark } from "./state.tsx";
import { Moment } from "./time.tsx";

const SHOWN = 60_000; // ms that an outcome stays in sight

/** The verbs that make sense in a state. */
export function verbsFor(view: ServerView): Verb[] {
  switch (view.status.state) {
    case "stopped":
    case "exited":
      return ["start"];
    case "backoff":
      return ["start", "stop"];
    case "stopping":
      return [];
    default:
      return ["restart", "stop"];
  }
}

export function Actions({ view }: { view: ServerView }) {
  const asking = useSignal<Verb | null>(null);
  const refused = useSignal("");
  const busy = useSignal(false);
  const { machine } = view;
  const server = view.status.name;

  async function order(verb: Verb): Promise<void> {
    asking.value = null;
    refused.value = "";
    busy.value = true;
    try {
      takeAction(await hub.act(machine, server, verb));
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      refused.value = `${fault.message} ${fault.hint}`.trim();
    } finally {
      busy.value = false;
    }
  }

  return (
    <div class="actions">
      <div class="buttons">
        {verbsFor(view).map((verb) =>
          verb === "start" ? (
            <button key={verb} type="button" class="plain" disabled={busy.value} onClick={() => void order(verb)}>
              {act.verb(verb)}
            </button>
          ) : (
            <button
              key={verb}
              type="button"
              class={`grave ${verb}`}
              disabled={busy.value}
              onClick={() => {
                asking.value = verb;
              }}
            >
              {act.opens(verb)}
            </button>
          ),
        )}
      </div>
      <Told action={actions.value[key(machine, server)]} refused={refused.value} close={() => (refused.value = "")} />
      {asking.value && <Question verb={asking.value} name={server} yes={order} no={() => (asking.value = null)} />}
    </div>
  );
}

/** The outcome as it comes over the stream; the same line says that it is still awaited. */
function Told({ action, refused, close }: { action: ActionView | undefined; refused: string; close: () => void }) {
  if (refused) {
    return (
      <p class="told bad" role="alert">
        <Mark shape="cross" tone="bad" />
        {act.refused} {refused}
        <button type="button" class="link" aria-label={act.close} onClick={close}>
          ✕
        </button>
      </p>
    );
  }
  const ended = action?.outcome;
  if (!action || now.value - (ended?.at ?? action.at) > SHOWN) return <p class="told" role="status" />;
  const tone = ended ? (ended.ok ? "good" : "bad") : "quiet";
  return (
    <p class={`told ${tone}`} role="status">
      <Mark shape={ended ? (ended.ok ? "disc" : "cross") : "ring"} tone={tone} />
      <span>{ended ? ended.text : act.asked(action.verb)}</span> <Moment at={ended?.at ?? action.at} />
    </p>
  );
}

type Asked = { verb: Verb; name: string; yes: (verb: Verb) => void; no: () => void };

/** The browser's own dialog: it keeps the focus inside, and Escape is "no". The first button is the harmless one. */
function Question({ verb, name, yes, no }: Asked) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} class="question" aria-labelledby="question" onClose={no}>
      <h2 id="question">{act.ask(verb, name)}</h2>
      <p>{act.means[verb]}</p>
      <div class="buttons">
        <button type="button" class="plain" onClick={no}>
          {act.cancel}
        </button>
        <button type="button" class="danger" onClick={() => yes(verb)}>
          {act.verb(verb)}
        </button>
      </div>
    </dialog>
  );
}
