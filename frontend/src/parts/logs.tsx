// A server's output, live: it follows the end, holds still while somebody reads above it, and keeps a bounded number of lines.
// Lines are appended to the document by hand: a busy server writes more than a diff of all of them would bear.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { followLogs, hearLogs } from "../live.ts";
import { logs } from "../strings.ts";
import { instant } from "../route.ts";
import { append } from "./lines.ts";
import { LogsAt } from "./logs-at.tsx";

const TAIL = 200;
const NEAR = 24; // px from the end that still count as the end

/** Live, or around the instant that was picked on the charts. */
export function Logs({ machine, server }: { machine: string; server: string }) {
  return instant.value > 0 ? <LogsAt machine={machine} server={server} at={instant.value} /> : <LiveLogs machine={machine} server={server} />;
}

function LiveLogs({ machine, server }: { machine: string; server: string }) {
  const box = useRef<HTMLDivElement>(null);
  const wrap = useSignal(true);
  const held = useSignal<number | null>(null); // new lines below while reading above; null follows the end
  const search = useSignal("");
  const grave = useSignal(false);
  const state = useSignal<"waiting" | "empty" | "lines" | string>("waiting");

  useEffect(() => {
    const holder = box.current;
    if (!holder) return undefined;
    holder.replaceChildren();
    state.value = "waiting";
    held.value = null;
    const unhear = hearLogs((news, fresh) => {
      if (fresh) {
        holder.replaceChildren();
        held.value = null;
      }
      append(holder, news.lines, (row) => fits(row, search.peek(), grave.peek()));
      if (held.peek() === null) holder.scrollTop = holder.scrollHeight;
      else held.value = (held.peek() ?? 0) + news.lines.length;
      state.value = news.why || (holder.childElementCount > 0 ? "lines" : "empty");
    });
    followLogs(machine, server, TAIL);
    return () => {
      unhear();
      followLogs("", "", TAIL);
    };
  }, [machine, server]);

  // Plain text and no pattern: one that runs away would hold up the page.
  function sift(): void {
    for (const row of box.current?.children ?? []) if (row instanceof HTMLElement) row.hidden = !fits(row, search.value, grave.value);
    toEnd();
  }

  function scrolled(): void {
    const holder = box.current;
    if (!holder) return;
    const away = holder.scrollHeight - holder.scrollTop - holder.clientHeight;
    if (away <= NEAR) held.value = null;
    else held.value ??= 0;
  }

  function toEnd(): void {
    held.value = null;
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }

  const said = state.value === "waiting" ? logs.waiting : state.value === "empty" ? logs.empty : state.value === "lines" ? "" : state.value;
  return (
    <section class="block logs">
      <header class="block-head">
        <h2>{logs.title}</h2>
        <input
          type="search"
          class="log-search"
          aria-label={logs.search}
          placeholder={logs.search}
          value={search.value}
          onInput={(change) => {
            search.value = change.currentTarget.value;
            sift();
          }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={grave.value}
            onChange={(change) => {
              grave.value = change.currentTarget.checked;
              sift();
            }}
          />
          {logs.grave}
        </label>
        <label class="check">
          <input type="checkbox" checked={wrap.value} onChange={(change) => (wrap.value = change.currentTarget.checked)} />
          {logs.wrap}
        </label>
      </header>
      <div class="sheet log-frame">
        {/* It scrolls on its own, so keys must be able to reach it. */}
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard (WCAG 2.1.1) */}
        <div ref={box} class={`log ${wrap.value ? "wrap" : ""}`} role="log" aria-label={logs.title} aria-live="off" tabIndex={0} onScroll={scrolled} />
        {said && <p class="empty">{said}</p>}
        {held.value !== null && (
          <p class="held">
            {logs.held(held.value)}
            <button type="button" class="link" onClick={toEnd}>
              {logs.toEnd}
            </button>
          </p>
        )}
      </div>
    </section>
  );
}

function fits(row: HTMLElement, search: string, grave: boolean): boolean {
  if (grave && !row.className) return false;
  return !search || (row.textContent ?? "").toLowerCase().includes(search.toLowerCase());
}
