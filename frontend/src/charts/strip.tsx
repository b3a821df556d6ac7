// Was it up? A row of short spans, each as bad as its worst moment; what was not known is neither up nor down.
import { useEffect, useMemo } from "preact/hooks";
import { day, figure, minute } from "../format.ts";
import type { Range, Zoom } from "../route.ts";
import { charts } from "../strings.ts";
import { spanName } from "../strings/time.ts";
import { Feed } from "./feed.ts";

const SPANS = 90;

export type Span = "up" | "down" | "unknown";
export type Uptime = { spans: Span[]; share: number | null };

/** Fold instants and their values (1 up, 0 down, null unknown) into spans over `from` to `to`, and the share of known time that was up. */
export function uptime(instants: ArrayLike<number>, values: ArrayLike<number | null>, from: number, to: number): Uptime {
  const spans: Span[] = Array.from({ length: SPANS }, () => "unknown");
  let up = 0;
  let known = 0;
  for (let index = 0; index < instants.length; index += 1) {
    const value = values[index];
    if (value === null || value === undefined || Number.isNaN(value)) continue;
    known += 1;
    up += value;
    const place = Math.floor((((instants[index] ?? 0) - from) / (to - from)) * SPANS);
    if (place < 0 || place >= SPANS) continue;
    if (value < 1) spans[place] = "down";
    else if (spans[place] === "unknown") spans[place] = "up";
  }
  return { spans: bridged(spans), share: known === 0 ? null : up / known };
}

/** A span too short to hold a sample says what both its neighbours say. */
function bridged(spans: Span[]): Span[] {
  return spans.map((span, index) => {
    const before = spans[index - 1];
    return span === "unknown" && before === spans[index + 1] && before !== undefined ? before : span;
  });
}

type Props = { machine: string; server: string; range: Range; zoom: Zoom | null };

export function UpStrip({ machine, server, range, zoom }: Props) {
  const feed = useMemo(() => new Feed("server_up", machine, server, range, 0, zoom), [machine, server, range, zoom]);
  useEffect(() => feed.start(), [feed]);
  void feed.beat.value;
  const [from, to] = feed.shown;
  const { spans, share } = uptime(feed.window.instants(), feed.window.column(0), from, to);
  const words = charts.upShare(figure(share, "ratio"), spanName(range, zoom));
  const start = feed.seconds > 86400 ? day(from) : minute(from);
  return (
    <div class="strip">
      <p>
        <b>{figure(share, "ratio")}</b> {charts.partWords.up}
      </p>
      <Spans spans={spans} words={`${charts.upTitle}: ${words}`} />
      <span class="ends" aria-hidden="true">
        <span>{start}</span>
        <span>{zoom ? minute(to) : charts.nowWord}</span>
      </span>
    </div>
  );
}

/** The row of spans itself; `words` say it to who cannot see it. */
export function Spans({ spans, words }: { spans: Span[]; words: string }) {
  return (
    <span class="spans" role="img" aria-label={words} title={words}>
      {spans.map((span, index) => (
        // Spans have no name but their place, and never change it.
        // oxlint-disable-next-line react/no-array-index-key -- the list is made anew as a whole and its places never move
        <i key={index} class={span} />
      ))}
    </span>
  );
}
