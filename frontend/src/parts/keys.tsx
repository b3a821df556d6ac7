// The keys of the whole page: Ctrl-K, /, ?, t, and g with a letter. None of them is taken while somebody types.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { GOALS } from "../pages/places.ts";
import { go } from "../route.ts";
import { person } from "../store.ts";
import { keys as words } from "../strings/keys.ts";
import { turn } from "../theme.ts";
import { Dialog } from "./dialog.tsx";
import { Palette } from "./palette.tsx";

const SOON = 1500; // ms that a letter may come after g

const open = signal<"" | "palette" | "help">("");

/** Open the palette by hand. */
export function askPalette(): void {
  open.value = "palette";
}

function close(): void {
  open.value = "";
}

/** Whether a key belongs to what has the focus, or to a dialog that is open. */
function isTaken(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]")) return true;
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Give the keys to the page; shows the palette and the list of keys when they are asked for. */
export function Keys() {
  useEffect(() => {
    let leading = Number.NEGATIVE_INFINITY; // when g was pressed; a page just loaded has a clock near zero
    const pressed = (event: KeyboardEvent) => {
      if (!person.peek()) return;
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        event.preventDefault();
        open.value = open.peek() === "palette" ? "" : "palette";
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event.target)) return;
      if (performance.now() - leading < SOON) {
        leading = Number.NEGATIVE_INFINITY;
        const goal = GOALS.find((one) => one.key === event.key);
        if (goal) {
          event.preventDefault();
          go(goal.path);
        }
        return;
      }
      switch (event.key) {
        case "g":
          leading = performance.now();
          break;
        case "/": {
          const field = document.querySelector<HTMLElement>('main [aria-keyshortcuts="/"]');
          if (field) {
            event.preventDefault();
            field.focus();
          }
          break;
        }
        case "?":
          open.value = "help";
          break;
        case "t":
          turn();
          break;
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  if (open.value === "palette") return <Palette no={close} help={() => (open.value = "help")} />;
  return open.value === "help" ? <Help no={close} /> : null;
}

const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;

function Help({ no }: { no: () => void }) {
  const { rows } = words;
  const list: [string[], string][] = [
    [["Ctrl K"], rows.palette],
    [["/"], rows.find],
    ...GOALS.map((goal): [string[], string] => [["g", goal.key], rows.goal(goal.title)]),
    [["t"], rows.theme],
    [["?"], rows.help],
    [["Esc"], rows.escape],
    [["Tab"], rows.tab],
    [["↑", "↓"], rows.arrows],
  ];
  return (
    <Dialog title={words.title} no={no}>
      <dl class="keys">
        {list.map(([said, meaning]) => (
          <div key={meaning}>
            <dt>
              {said.map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">{words.zone(zone)}</p>
      <div class="buttons">
        <button type="button" class="plain" onClick={no}>
          {words.close}
        </button>
      </div>
    </Dialog>
  );
}
