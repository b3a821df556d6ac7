// What can be done with a server: everyday buttons plain, dangerous ones behind a question, and what became of it.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { ActionView, ServerView, Verb } from "../api/types.ts";
import { duration } from "../format.ts";
import { actions, blind, findMachine, hubNow, key, now, person, takeAction } from "../store.ts";
import { act } from "../strings.ts";
import { Mark } from "./state.tsx";
import { Moment } from "./time.tsx";

const SHOWN = 60_000; // ms that an outcome stays in sight
const EARLIER = 5000; // ms by which the hub's note of an order may seem older than the click: clocks are known that well

/** The verbs that make sense in a state, of those that its agent lets a hub order. */
export function verbsFor(view: ServerView): Verb[] {
  const { allowed, paused_until: paused } = view.status;
  return [...stateVerbs(view), ...(paused === 0 ? [] : (["resume"] as const))].filter((verb) => allowed.includes(verb));
}

function stateVerbs(view: ServerView): Verb[] {
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

/** What people must know of a server before all else: what is asked of them, its pause, that it is busy or hangs. */
export function pressing(view: ServerView): string {
  const { asks, paused_why: paused, liveness_why: why } = view.status;
  return [asks, paused, why].filter(Boolean).join(" · ");
}

/** Verbs that are done at once, without a question. */
const plain: ReadonlySet<Verb> = new Set(["start", "resume"]);

/** Why nothing can be done, in a sentence; empty when something can. */
function hindrance(view: ServerView): string {
  if (person.value?.role === "viewer") return act.mayLook;
  return blind.value || !findMachine(view.machine)?.connected ? act.outOfReach : "";
}

/** `children` is what stands beside the buttons while there is nothing to tell; `terse` leaves a hindrance unsaid. */
export function Actions({ view, children, terse = false }: { view: ServerView; children?: ComponentChildren; terse?: boolean }) {
  const asking = useSignal<Verb | null>(null);
  const refused = useSignal("");
  const unanswered = useSignal(0); // when something was asked for to which no answer came, the hub's ms
  const busy = useSignal(false);
  const group = useRef<HTMLDivElement>(null);
  const inside = useRef(false); // whether the focus was on one of the buttons
  const { machine } = view;
  const server = view.status.name;
  const hindered = hindrance(view);
  const verbs = hindered ? [] : verbsFor(view);

  // A button that goes away with the state takes the focus with it; its group then keeps the reader's place.
  useEffect(() => {
    if (inside.current && document.activeElement === document.body) group.current?.focus();
  }, [verbs.join()]);

  async function order(verb: Verb): Promise<void> {
    refused.value = "";
    unanswered.value = 0;
    busy.value = true;
    const asked = hubNow();
    try {
      takeAction(await hub.act(machine, server, verb));
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      if (fault.status === 0) unanswered.value = asked; // it may be done all the same
      else refused.value = `${fault.message} ${fault.hint}`.trim();
    } finally {
      busy.value = false;
    }
  }

  return (
    <div class="actions">
      <Told action={actions.value[key(machine, server)]} refused={refused.value} unanswered={unanswered.value} close={() => (refused.value = "")}>
        {hindered && !terse ? hindered : children}
      </Told>
      <div
        class="buttons"
        ref={group}
        role="group"
        aria-label={act.buttons(server)}
        tabIndex={-1}
        onFocusIn={() => (inside.current = true)}
        onFocusOut={(event) => (inside.current = event.relatedTarget === null)}
      >
        {verbs.map((verb) => (
          <button
            key={verb}
            type="button"
            class={plain.has(verb) ? "plain" : `grave ${verb}`}
            aria-label={act.label(verb, server)}
            {...(plain.has(verb) ? {} : { "aria-haspopup": "dialog" as const })}
            disabled={busy.value}
            onClick={() => {
              if (plain.has(verb)) void order(verb);
              else asking.value = verb;
            }}
          >
            {plain.has(verb) ? act.verb(verb) : act.opens(verb)}
          </button>
        ))}
      </div>
      {asking.value && <Question verb={asking.value} view={view} yes={order} no={() => (asking.value = null)} />}
    </div>
  );
}

type Telling = { action: ActionView | undefined; refused: string; unanswered: number; close: () => void; children: ComponentChildren };

/** The outcome as it comes over the stream; the same line says that it is still awaited. */
function Told({ action, refused, unanswered, close, children }: Telling) {
  if (refused) {
    return (
      <p class="told bad" role="alert">
        <Mark shape="cross" tone="bad" />
        <span>
          {act.refused} {refused}
        </span>
        <button type="button" class="link" aria-label={act.close} onClick={close}>
          ✕
        </button>
      </p>
    );
  }
  if (now.value - unanswered < SHOWN && (action?.at ?? 0) < unanswered - EARLIER) {
    return (
      <p class="told quiet" role="status">
        <Mark shape="ring" tone="quiet" />
        <span>{act.unanswered}</span> <Moment at={unanswered} />
      </p>
    );
  }
  const ended = action?.outcome;
  if (!action || now.value - (ended?.at ?? action.at) > SHOWN) {
    return (
      <p class="told" role="status">
        {children}
      </p>
    );
  }
  const tone = ended ? (ended.ok ? "good" : "bad") : "quiet";
  return (
    <p class={`told ${tone}`} role="status">
      <Mark shape={ended ? (ended.ok ? "disc" : "cross") : "ring"} tone={tone} />
      <span>{ended ? ended.text : act.asked(action.verb)}</span> <Moment at={ended?.at ?? action.at} />
    </p>
  );
}

type Asked = { verb: Verb; view: ServerView; yes: (verb: Verb) => void; no: () => void };

/** The browser's own dialog: it keeps the focus inside and gives it back, Escape is "no". The first button is the harmless one. */
function Question({ verb, view, yes, no }: Asked) {
  const box = useRef<HTMLDialogElement>(null);
  const { name, pid, started_at: started } = view.status;
  useEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} class="question" aria-labelledby="question" aria-describedby="question-means" onClose={no}>
      <h2 id="question">{act.ask(verb, name, view.machine)}</h2>
      <div id="question-means">
        <p>{act.means[verb]}</p>
        {pid > 0 && started > 0 && <p class="quiet">{act.running(pid, duration((now.value - started) / 1000))}</p>}
      </div>
      <div class="buttons">
        <button type="button" class="plain" onClick={() => box.current?.close()}>
          {act.cancel}
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            box.current?.close();
            yes(verb);
          }}
        >
          {act.verb(verb)}
        </button>
      </div>
    </dialog>
  );
}
