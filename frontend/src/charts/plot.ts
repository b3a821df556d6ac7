// How our charts look: one uPlot with our axes, colours from the style sheet, and one cursor for all of them.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { day, mark, minute } from "../format.ts";
import { instant, pick, zoomTo } from "../route.ts";
import type { Feed } from "./feed.ts";
import { drawNotes, hovered } from "./notes.ts";
import { top } from "./scale.ts";

const WHOLE = new Set(["filesystem"]); // how full something is reads best against all of it
export const COLOURS = 6;
const HOUR = 3600;
const MINUTE = 60_000;
const STEPS = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14_400].map((step) => step * MINUTE); // between labels, ms
const BANDED = 2; // up to so many lines carry a band; more would cover each other
export const LIMIT = "limit"; // a line of this name is drawn dashed, and stretches no axis

/** The colour of a line as the style sheet has it now. */
export function colour(line: number): string {
  return `var(--line-${(line % COLOURS) + 1})`;
}

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clear(paint: string, share: number): string {
  return `color-mix(in srgb, ${paint} ${share * 100}%, transparent)`;
}

/** Make the plot of a feed inside `root`; `point` hears the index under the cursor, null when it has left. */
export function draw(root: HTMLElement, feed: Feed, point: (index: number | null) => void): uPlot {
  const unit = feed.chart?.unit ?? "count";
  const lines = feed.chart?.lines ?? [];
  const quiet = token("--ink-3");
  const banded = lines.length <= BANDED ? feed.banded : [];
  const options: uPlot.Options = {
    width: Math.max(120, root.clientWidth),
    height: root.clientHeight,
    ms: 1,
    padding: [8, 16, 0, 0], // half a label, so that the last one is whole
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 6 },
      bind: { dblclick: () => () => null }, // ours is the way back in the history
      points: { size: 7, width: 2, fill: token("--sheet"), stroke: (plot, series) => paintOf(plot, series) },
      // One cursor for all; but a part that is dragged over is chosen once, by the chart under the hand.
      sync: { key: "watchkeeper", setSeries: false, scales: ["x", null], filters: { pub: (type) => type !== "mousedown" && type !== "mouseup", sub: () => true } },
    },
    scales: {
      x: { time: true, range: () => feed.shown },
      y: { range: () => [0, ceiling(feed, unit)] },
    },
    axes: axes(feed.seconds, (value) => mark(value, unit), true),
    series: [
      {},
      ...lines.map((line, index) => {
        const paint = token(`--line-${(index % COLOURS) + 1}`);
        if (line.name === LIMIT) return { stroke: quiet, width: 1, dash: [4, 4], points: { show: false } };
        const fill = index === 0 && banded.length === 0 ? { fill: clear(paint, 0.09) } : {};
        return { stroke: paint, width: 1.5, points: { show: false, filter: alone, size: 4, fill: paint, stroke: paint }, ...fill };
      }),
      ...feed.banded.flatMap(() => [
        { width: 0, points: { show: false } },
        { width: 0, points: { show: false } },
      ]),
    ],
    bands: banded.map((line, place) => {
      const first = 1 + lines.length + place * 2;
      return { series: [first + 1, first], fill: clear(token(`--line-${(line % COLOURS) + 1}`), 0.18) };
    }),
    hooks: {
      setCursor: [
        (plot) => {
          point(plot.cursor.idx ?? null);
          hovered.value = plot.cursor.idx === null || plot.cursor.idx === undefined ? 0 : (plot.data[0][plot.cursor.idx] ?? 0);
        },
      ],
      setSelect: [chosen],
      draw: [(plot) => drawNotes(plot, { good: token("--good"), warn: token("--warn"), bad: token("--bad"), quiet, even: token("--accent") }, instant.peek())],
      ready: [clicks],
    },
  };
  const plot = new uPlot(options, content(feed), root);
  bevelled(plot.ctx);
  return plot;
}

/** uPlot asks for round joins: at every one of hundreds of points an arc, which nobody sees in a line of 1.5 px. */
function bevelled(canvas: CanvasRenderingContext2D): void {
  const native = Object.getOwnPropertyDescriptor(CanvasRenderingContext2D.prototype, "lineJoin");
  Object.defineProperty(canvas, "lineJoin", {
    get: () => "bevel",
    set: () => {
      native?.set?.call(canvas, "bevel");
    },
  });
}

/** A time axis over so many seconds, and one of figures beside it; `halved` labels bottom, middle and top alone. */
export function axes(span: number, written: (value: number) => string, halved = false): uPlot.Axis[] {
  const axis = { font: "11px 'Inter Variable', system-ui, sans-serif", stroke: token("--ink-3"), ticks: { show: false }, border: { show: false } };
  return [
    { ...axis, size: 22, gap: 4, space: 72, incrs: STEPS, grid: { show: false }, values: (_plot, splits) => splits.map((at) => label(at, span)) },
    {
      ...axis,
      size: 58,
      gap: 6,
      grid: { stroke: token("--rule"), width: 1 },
      ...(halved ? { splits: (_plot: uPlot, _axis: number, low: number, high: number) => [low, high / 2, high] } : {}),
      values: (_plot, splits) => splits.map(written),
    },
  ];
}

/** A part of time was dragged over: show it alone. */
function chosen(plot: uPlot): void {
  if (plot.select.width < 4) return;
  const from = plot.posToVal(plot.select.left, "x");
  const to = plot.posToVal(plot.select.left + plot.select.width, "x");
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoomTo(from, to);
}

const STILL = 4; // px that a hand may move in a click

/** A plain click picks the instant under it: what ran then, what was written then. */
function clicks(plot: uPlot): void {
  let pressed = Number.NaN;
  plot.over.addEventListener("pointerdown", (event) => {
    pressed = event.clientX;
  });
  plot.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressed) > STILL) return;
    const at = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    if (Number.isFinite(at)) pick(Math.round(at));
  });
}

/** Where the axis ends. A limit far above everything would flatten the rest, so only the others count. */
function ceiling(feed: Feed, unit: string): number {
  const lines = feed.chart?.lines ?? [];
  const others = lines.flatMap((line, index) => (line.name === LIMIT ? [] : [index]));
  const bands = Array.from({ length: 2 * feed.banded.length }, (_, index) => lines.length + index);
  const most = feed.window.greatest(feed.banded.length > 0 && others.length === lines.length ? [...others, ...bands] : others);
  if (unit === "bytes" && feed.whole >= most) return feed.whole;
  return top(most, unit, WHOLE.has(feed.panel));
}

/** The places of values that have none beside them: a line shows nothing there, so they are dots. */
function alone(plot: uPlot, series: number): number[] | null {
  const values = plot.data[series] ?? [];
  const places: number[] = [];
  const isThere = (place: number) => values[place] !== null && values[place] !== undefined;
  for (let place = 0; place < values.length; place += 1) {
    if (isThere(place) && !isThere(place - 1) && !isThere(place + 1)) places.push(place);
  }
  return places.length > 0 ? places : null;
}

/** The feed's data as uPlot takes them. */
export function content(feed: Feed): uPlot.AlignedData {
  const columns = (feed.chart?.lines.length ?? 0) + 2 * feed.banded.length;
  return [feed.window.instants(), ...Array.from({ length: columns }, (_, line) => feed.window.column(line))] as uPlot.AlignedData;
}

function paintOf(plot: uPlot, series: number): string {
  const paint = plot.series[series]?.stroke;
  return typeof paint === "function" ? String(paint(plot, series)) : String(paint ?? "");
}

function label(at: number, span: number): string {
  if (span <= HOUR) return minute(at);
  if (span <= 24 * HOUR) return minute(at) === "00:00" ? day(at) : minute(at);
  return day(at);
}
