// One chart: its name, the figures under the cursor or the newest, the drawing, and the same as a table.
// Drawing follows the data once a frame, only while in view, and starts anew when the palette changes.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import type uPlot from "uplot";
import type { PanelView } from "../api/types.ts";
import { clock, day, figure, minute, utc } from "../format.ts";
import { instant, type Range, type Zoom } from "../route.ts";
import { charts } from "../strings.ts";
import { spanName } from "../strings/time.ts";
import { palette } from "../theme.ts";
import { Feed } from "./feed.ts";
import { notes } from "./notes.ts";
import { colour, content, draw, LIMIT } from "./plot.ts";

const ROWS = 24;

type Props = { panel: PanelView; machine: string; server: string; range: Range; zoom: Zoom | null; whole: number };

const READ = 5; // lines whose figures have room above the chart

export function ChartCard({ panel, machine, server, range, zoom, whole }: Props) {
  const feed = useMemo(() => new Feed(panel.name, machine, server, range, whole, zoom), [panel.name, machine, server, range, whole, zoom]);
  const under = useSignal<number | null>(null);
  const asTable = useSignal(false);
  const id = useId();
  useEffect(() => feed.start(), [feed]);
  return (
    <figure class="chart" data-panel={panel.name}>
      <figcaption>
        <h3>{panel.title}</h3>
        <button type="button" class="about" popovertarget={id} aria-label={`${panel.title}: ?`}>
          ?
        </button>
        <p popover id={id} class="about-text">
          {panel.about}
        </p>
        <UnderCursor feed={feed} under={under.value} />
        <button
          type="button"
          class="as-table"
          aria-pressed={asTable.value}
          title={asTable.value ? charts.asChart : charts.asTable}
          aria-label={`${panel.title}: ${charts.asTable}`}
          onClick={() => {
            asTable.value = !asTable.value;
          }}
        >
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2 3.5h12M2 8h12M2 12.5h12M6 3.5v9" />
          </svg>
        </button>
      </figcaption>
      <Readouts feed={feed} under={under.value} />
      {asTable.value ? <Table feed={feed} title={panel.title} /> : <Drawing feed={feed} title={panel.title} point={(index) => (under.value = index)} />}
    </figure>
  );
}

function Readouts({ feed, under }: { feed: Feed; under: number | null }) {
  void feed.beat.value;
  const lines = feed.chart?.lines ?? [];
  const unit = feed.chart?.unit ?? "";
  const rest = lines.slice(READ);
  return (
    <ul class={lines.length > 1 ? "readouts" : "readouts single"}>
      {lines.slice(0, READ).map((line, index) => (
        <li key={line.name}>
          {lines.length > 1 && (
            <span class="name" title={line.name}>
              <span class="key" style={{ background: line.name === LIMIT ? "var(--ink-3)" : colour(index) }} aria-hidden="true" />
              {line.name}
            </span>
          )}
          <b>{figure(feed.window.at(index, under ?? -1), unit)}</b>
        </li>
      ))}
      {rest.length > 0 && <li title={rest.map((line) => line.name).join(", ")}>{charts.more(rest.length)}</li>}
    </ul>
  );
}

/** The instant that the figures are of, while a cursor picks one. */
function UnderCursor({ feed, under }: { feed: Feed; under: number | null }) {
  const at = under === null ? undefined : feed.window.instants()[under];
  if (at === undefined) return null;
  return (
    <time class="at" title={utc(at)}>
      {label(at, feed.seconds)}
    </time>
  );
}

function label(at: number, span: number): string {
  return span <= 3600 ? clock(at) : `${day(at)}, ${minute(at)}`;
}

function Drawing({ feed, title, point }: { feed: Feed; title: string; point: (index: number | null) => void }) {
  const root = useRef<HTMLDivElement>(null);
  const state = feed.state.value;
  useEffect(() => {
    const holder = root.current;
    if (!holder || state !== "ready") return undefined;
    return paintWhileSeen(holder, feed, title, point);
  }, [feed, state]);
  return (
    <div class="drawing" ref={root} {...(state === "ready" ? { role: "img" as const, "aria-label": title } : {})}>
      {state === "loading" && <div class="waiting" aria-hidden="true" />}
      {state === "failed" && (
        <p class="empty">
          {charts.failed}{" "}
          <button type="button" class="link" onClick={() => void feed.load()}>
            {charts.again}
          </button>
        </p>
      )}
      {state === "ready" && feed.chart?.lines.length === 0 && <p class="empty">{charts.none(spanName(feed.range, feed.zoom))}</p>}
    </div>
  );
}

/** Keep the drawing true until stopped. */
function paintWhileSeen(holder: HTMLElement, feed: Feed, title: string, point: (index: number | null) => void): () => void {
  let plot: uPlot | null = null;
  let drawn = ""; // what the plot was made for: lines and palette
  let seen = false;
  let frame = 0;
  let edge = 0; // the last instant of the drawing,
  let data: unknown; // and whose it was
  const say = () => {
    const newest = feed.chart?.lines.map((line, index) => `${line.name} ${figure(feed.window.at(index, -1), feed.chart?.unit ?? "")}`);
    holder.setAttribute("aria-label", charts.summary(title, spanName(feed.range, feed.zoom), newest?.join(", ") ?? ""));
  };
  const paint = () => {
    frame = 0;
    if (!seen || (feed.chart?.lines.length ?? 0) === 0) return;
    say();
    const wanted = `${palette.peek()} ${feed.chart?.lines.map((line) => line.name).join()} ${feed.banded.join()}`;
    if (plot && drawn === wanted) {
      const end = feed.shown[1];
      // What moves the lines by less than a pixel is not worth a drawing: the figures above tell the newest value meanwhile.
      if (data === feed.window && ((end - edge) / (feed.seconds * 1000)) * plot.bbox.width < 1) return;
      [edge, data] = [end, feed.window];
      plot.setData(content(feed));
      return;
    }
    plot?.destroy();
    plot = draw(holder, feed, point);
    [edge, data] = [feed.shown[1], feed.window];
    drawn = wanted;
  };
  const soon = () => {
    frame ||= requestAnimationFrame(paint);
  };
  const sight = new IntersectionObserver((entries) => {
    seen = entries.at(-1)?.isIntersecting ?? false;
    if (seen) soon();
  });
  const size = new ResizeObserver(() => {
    if (plot) plot.setSize({ width: Math.max(120, holder.clientWidth), height: holder.clientHeight });
  });
  sight.observe(holder);
  size.observe(holder);
  const again = () => plot?.redraw(false, false);
  const stops = [feed.beat.subscribe(soon), palette.subscribe(soon), notes.subscribe(again), instant.subscribe(again)];
  return () => {
    for (const stop of stops) stop();
    cancelAnimationFrame(frame);
    sight.disconnect();
    size.disconnect();
    plot?.destroy();
  };
}

function Table({ feed, title }: { feed: Feed; title: string }) {
  void feed.beat.value;
  const instants = feed.window.instants();
  const lines = feed.chart?.lines ?? [];
  const every = Math.max(1, Math.ceil(instants.length / ROWS));
  const rows: number[] = [];
  for (let index = instants.length - 1; index >= 0; index -= every) rows.push(index);
  return (
    // The table scrolls inside the chart's place, so it can be focused to be scrolled by keys.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard (WCAG 2.1.1)
    <div class="drawing figures" tabIndex={0} role="region" aria-label={title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{charts.time}</th>
            {lines.map((line) => (
              <th key={line.name} scope="col">
                {line.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((index) => (
            <tr key={instants[index]}>
              <th scope="row">{label(instants[index] ?? 0, feed.seconds)}</th>
              {lines.map((line, place) => (
                <td key={line.name}>{figure(feed.window.at(place, index), feed.chart?.unit ?? "")}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
