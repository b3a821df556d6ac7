// Whose figures are on the page: rows in sight and the machine that is looked at. The hub is told, and sends the figures of
// these alone; so a page over hundreds of machines costs what it shows.
import { useEffect, useMemo } from "preact/hooks";
import { showFigures } from "./live.ts";

const SOON = 120; // ms: scrolling changes the rows in sight many times a second
const MOST = 200; // machines,
const LETTERS = 12_000; // and of their names: the hub takes no longer message

const lists = new Map<symbol, string[]>();
let due: ReturnType<typeof setTimeout> | undefined;
let asked = "";

/** All names once, in their order, as many as one message holds. */
export function joined(all: Iterable<string[]>): string[] {
  let letters = 0;
  return [...new Set([...all].flat())].filter((name, index) => (letters += name.length + 3) <= LETTERS && index < MOST);
}

function tell(): void {
  due = undefined;
  const names = joined(lists.values());
  if (names.join("\n") === asked) return;
  asked = names.join("\n");
  showFigures(names);
}

/** This part of the page shows the figures of these machines while it is there. */
export function useShown(machines: string[]): void {
  const mine = useMemo(() => Symbol("shown"), []);
  const change = (names: string[] | null) => {
    if (names) lists.set(mine, names);
    else lists.delete(mine);
    due ??= setTimeout(tell, SOON);
  };
  useEffect(() => change(machines), [machines.join("\n")]);
  useEffect(() => () => change(null), []);
}
