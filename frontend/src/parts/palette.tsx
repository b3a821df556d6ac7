// Go anywhere by name: pages, machines, servers, incidents. Opened by Ctrl-K, closed by Escape, worked by arrows and Enter.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { GOALS } from "../pages/places.ts";
import { go, incidentPath, machinePath, serverPath } from "../route.ts";
import { machines, servers } from "../store.ts";
import { keys as words } from "../strings/keys.ts";
import { turn } from "../theme.ts";
import { incidents } from "../watch.ts";
import { fits } from "./filter.tsx";
import { incidentStanding } from "./incidents.tsx";
import { machineStanding, Mark, serverStanding, type Standing } from "./state.tsx";

const MOST = 12;

type Goal = { kind: keyof typeof words.kinds; title: string; also: string; standing: Standing | null; run: () => void };

function goals(help: () => void): Goal[] {
  const plain = GOALS.map((goal) => ({ kind: "page" as const, title: goal.title, also: `g ${goal.key}`, standing: null, run: () => go(goal.path) }));
  const open = (incidents.value ?? []).map((one) => ({
    kind: "incident" as const,
    title: one.title,
    also: "",
    standing: incidentStanding(one),
    run: () => go(incidentPath(one.id)),
  }));
  const kept = (servers.value ?? []).map((view) => ({
    kind: "server" as const,
    title: view.status.name,
    also: view.machine,
    standing: serverStanding(view),
    run: () => go(serverPath(view.machine, view.status.name)),
  }));
  const known = (machines.value ?? []).map((view) => ({
    kind: "machine" as const,
    title: view.machine.name,
    also: view.machine.os,
    standing: machineStanding(view.health),
    run: () => go(machinePath(view.machine.name)),
  }));
  const acts = [
    { kind: "act" as const, title: words.themes, also: "t", standing: null, run: turn },
    { kind: "act" as const, title: words.list, also: "?", standing: null, run: help },
  ];
  return [...plain, ...open, ...known, ...kept, ...acts];
}

/** What fits, best first: what begins with the words before what holds them. */
export function ranked<T extends { title: string; also: string }>(all: T[], text: string): T[] {
  const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (parts.length === 0) return all.slice(0, MOST);
  const found = all.filter((goal) => fits(`${goal.title} ${goal.also}`, parts));
  const begins = (goal: T) => goal.title.toLowerCase().startsWith(parts[0] ?? "");
  return [...found.filter(begins), ...found.filter((goal) => !begins(goal))].slice(0, MOST);
}

export function Palette({ no, help }: { no: () => void; help: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const text = useSignal("");
  const at = useSignal(0);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close(); // the browser tells of it later, when the next one may be open: `onClose` looks whether it is this one
  }, []);
  const list = ranked(goals(help), text.value);
  const run = (goal: Goal | undefined) => {
    if (!goal) return;
    no();
    goal.run();
  };
  function pressed(event: KeyboardEvent): void {
    if (event.key === "ArrowDown") at.value = (at.value + 1) % Math.max(1, list.length);
    else if (event.key === "ArrowUp") at.value = (at.value <= 0 ? list.length : at.value) - 1;
    else if (event.key === "Enter") run(list[at.value]);
    else return;
    event.preventDefault();
  }
  return (
    <dialog ref={box} class="question palette" aria-label={words.open} onClose={() => box.current && no()}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}list`}
        aria-autocomplete="list"
        aria-label={words.find}
        placeholder={words.hint}
        autocomplete="off"
        spellcheck={false}
        {...(list[at.value] ? { "aria-activedescendant": `${id}${at.value}` } : {})}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          at.value = 0;
        }}
        onKeyDown={pressed}
      />
      <div id={`${id}list`} role="listbox" aria-label={words.find} class="goals">
        {list.map((goal, index) => (
          // Keys are taken by the field, as in every combobox.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the keys go to the field above, which has the focus
          <div key={`${goal.kind} ${goal.title} ${goal.also}`} id={`${id}${index}`} role="option" tabIndex={-1} aria-selected={at.value === index} onClick={() => run(goal)}>
            {goal.standing ? <Mark shape={goal.standing.shape} tone={goal.standing.tone} /> : <span class="mark" />}
            <b>{goal.title}</b>
            <small>{goal.also}</small>
            <small class="kind">{words.kinds[goal.kind]}</small>
          </div>
        ))}
      </div>
      {list.length === 0 && <p class="empty">{words.none}</p>}
    </dialog>
  );
}
