// Says to screen readers what eyes see change: a server's new state, once, without taking the word from anyone.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { key, servers } from "../store.ts";
import { frame } from "../strings.ts";
import { heardStanding } from "./state.tsx";

const SPELLED = 3; // more changes than that at once are counted, not listed

export function Announcer() {
  const said = useSignal("");
  const known = useRef<Map<string, string> | null>(null);
  const list = servers.value;
  useEffect(() => {
    if (!list) return;
    const news = new Map(list.map((view) => [key(view.machine, view.status.name), heardStanding(view).word]));
    const before = known.current;
    known.current = news;
    if (!before) return;
    const changed = list.flatMap((view) => {
      const was = before.get(key(view.machine, view.status.name));
      const { word } = heardStanding(view);
      return was === undefined || was === word ? [] : [frame.changed(view.status.name, view.machine, word)];
    });
    if (changed.length > 0) said.value = changed.length > SPELLED ? frame.manyChanged(changed.length) : changed.join("; ");
  }, [list]);
  return (
    <p class="unseen" role="status" data-announced>
      {said.value}
    </p>
  );
}
