// A server's output around an instant: what it wrote then, found by the times that its lines carry.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import { clock } from "../format.ts";
import { pick } from "../route.ts";
import { logs } from "../strings.ts";
import { append } from "./lines.ts";
import { placeAt } from "./log-times.ts";

const FETCHED = 5000;
const AROUND = 400; // lines shown on each side

export function LogsAt({ machine, server, at }: { machine: string; server: string; at: number }) {
  const box = useRef<HTMLDivElement>(null);
  const said = useSignal(logs.waiting);
  useEffect(() => {
    let mine = true;
    box.current?.replaceChildren();
    said.value = logs.waiting;
    hub
      .logs(machine, server, FETCHED)
      .then(({ lines }) => {
        const holder = box.current;
        if (!mine || !holder) return;
        const { place, before } = placeAt(lines, at);
        said.value = place < 0 ? logs.atNone : before ? logs.atBefore : "";
        const middle = place < 0 ? lines.length : place;
        const start = Math.max(0, middle - AROUND);
        append(holder, lines.slice(start, middle + AROUND));
        const line = holder.children[middle - start];
        if (place < 0 || !line) {
          holder.scrollTop = holder.scrollHeight;
          return;
        }
        line.classList.add("then");
        holder.scrollTop = (line as HTMLElement).offsetTop - holder.clientHeight / 2;
      })
      .catch((fault: unknown) => {
        if (!(fault instanceof Refusal)) throw fault;
        if (mine) said.value = fault.message;
      });
    return () => {
      mine = false;
    };
  }, [machine, server, at]);
  return (
    <section class="block logs">
      <header class="block-head">
        <h2>
          {logs.title} <small>{logs.at(clock(at))}</small>
        </h2>
        <button type="button" class="link" onClick={() => pick(0)}>
          {logs.live}
        </button>
      </header>
      <div class="sheet log-frame">
        {/* It scrolls on its own, so keys must be able to reach it. */}
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard (WCAG 2.1.1) */}
        <div ref={box} class="log wrap at-instant" role="log" aria-label={logs.title} aria-live="off" tabIndex={0} />
        {said.value && <p class="empty">{said.value}</p>}
      </div>
    </section>
  );
}
