// The filter above lists: words that all must be found, and chips that pick a state. The address keeps both.
import { computed } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { MachineView, ServerView } from "../api/types.ts";
import { keepQuery, query } from "../route.ts";
import { fleet as words } from "../strings/fleet.ts";
import { machineStanding, Mark, serverStanding, type Standing, type Tone } from "./state.tsx";

export type Wanted = { words: string[]; tone: Tone | "" };

const TONES: Tone[] = ["bad", "warn", "quiet", "good"];

/** What the address asks for. */
export const wanted = computed<Wanted>(() => {
  const said = new URLSearchParams(query.value);
  const tone = TONES.find((one) => one === said.get("state")) ?? "";
  return { words: (said.get("find") ?? "").toLowerCase().split(/\s+/).filter(Boolean), tone };
});

/** Whether a text has all the words. */
export function fits(text: string, all: string[]): boolean {
  const low = text.toLowerCase();
  return all.every((word) => low.includes(word));
}

export function machinesWanted(list: MachineView[], servers: ServerView[], { words: all, tone }: Wanted): MachineView[] {
  if (all.length === 0 && tone === "") return list;
  const names = new Map<string, string>();
  if (all.length > 0) for (const view of servers) names.set(view.machine, `${names.get(view.machine) ?? ""} ${view.status.name}`);
  return list.filter((view) => {
    const standing = machineStanding(view.health);
    if (tone !== "" && standing.tone !== tone) return false;
    const { name, os, architecture } = view.machine;
    return fits(`${name} ${os} ${architecture} ${standing.word} ${names.get(name) ?? ""}`, all);
  });
}

export function serversWanted(list: ServerView[], { words: all, tone }: Wanted): ServerView[] {
  if (all.length === 0 && tone === "") return list;
  return list.filter((view) => {
    const standing = serverStanding(view);
    if (tone !== "" && standing.tone !== tone) return false;
    return fits(`${view.status.name} ${view.machine} ${view.status.group} ${standing.word} ${view.status.driver}`, all);
  });
}

function ask(find: string, state: string): void {
  keepQuery({ find, state });
}

type Count = { standing: Standing; number: number };

/** How many stand how, the worst first. */
export function counts(standings: Standing[]): Count[] {
  const found = new Map<Tone, Count>();
  for (const standing of standings) {
    const known = found.get(standing.tone);
    if (known) known.number += 1;
    else found.set(standing.tone, { standing, number: 1 });
  }
  return TONES.flatMap((tone) => found.get(tone) ?? []);
}

/** The words to find and the chips. `standings` are those of all that is listed, whatever is filtered. */
export function Filter({ standings, found }: { standings: Standing[]; found: number }) {
  const { words: all, tone } = wanted.value;
  const box = useRef<HTMLInputElement>(null);
  const text = new URLSearchParams(query.value).get("find") ?? "";
  return (
    <search class="filter">
      <input
        ref={box}
        type="search"
        aria-label={words.find}
        placeholder={words.findHint}
        aria-keyshortcuts="/"
        value={text}
        onInput={(event) => ask(event.currentTarget.value, tone)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          ask("", "");
          box.current?.blur();
        }}
      />
      <div class="chips" role="group" aria-label={words.states}>
        {counts(standings).map(({ standing, number }) => (
          <button
            key={standing.tone}
            type="button"
            class="count"
            aria-pressed={tone === standing.tone}
            onClick={() => ask(text, tone === standing.tone ? "" : standing.tone)}
          >
            <Mark shape={standing.shape} tone={standing.tone} />
            {number} {words.tones[standing.tone]}
          </button>
        ))}
      </div>
      <span role="status" class="quiet">
        {(all.length > 0 || tone !== "") && words.found(found)}
      </span>
    </search>
  );
}
