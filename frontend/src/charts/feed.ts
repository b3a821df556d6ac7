// One chart's data: its history by a request, its newest points by the stream, and again by a request after a gap.
import { effect, signal } from "@preact/signals";
import { hub, Refusal } from "../api/ask.ts";
import type { Chart, Point } from "../api/types.ts";
import { hearPoints } from "../live.ts";
import { type Range, seconds, type Zoom } from "../route.ts";
import { connection, findMachine, hubNow } from "../store.ts";
import { SlidingWindow } from "./window.ts";

const POINTS = 600;
const STREAMED = new Set<Range>(["10m", "1h"]); // longer ranges have steps longer than a tick: they are fetched again instead
const SELDOM = 15_000; // ms, the shortest time between such fetches

export class Feed {
  readonly state = signal<"loading" | "ready" | "failed">("loading");
  /** Counts changes of the data. */
  readonly beat = signal(0);
  readonly panel: string;
  readonly range: Range;
  /** What the hub said of the chart when it was last asked. */
  chart: Chart | null = null;
  /** Columns: the average of each line, then least and most of each banded line. */
  window = new SlidingWindow(0);
  private readonly machine: string;
  private readonly server: string;
  private busy = false;
  private usual = 0; // ms between two instants of the history, as a rule
  private fetchedAt = 0;

  /** All there is of what the chart shows (a machine's memory), for the axis; 0 where that means nothing. */
  readonly whole: number;

  /** The part of time that is shown instead of the range up to now. */
  readonly zoom: Zoom | null;

  constructor(panel: string, machine: string, server: string, range: Range, whole = 0, zoom: Zoom | null = null) {
    this.zoom = zoom;
    this.panel = panel;
    this.whole = whole;
    this.machine = machine;
    this.server = server;
    this.range = range;
  }

  /** How long a time is shown, s. */
  get seconds(): number {
    return this.zoom ? (this.zoom[1] - this.zoom[0]) / 1000 : seconds(this.range);
  }

  /** Lines whose least and most are known, by index: they get a band. */
  get banded(): number[] {
    return (this.chart?.lines ?? []).flatMap((line, index) => (line.least && line.most ? [index] : []));
  }

  /** The range shown, ms. It follows the data, and the clock when data stop coming, so that silence is seen as a gap. */
  get shown(): [number, number] {
    if (this.zoom) return [this.zoom[0], this.zoom[1]];
    const late = 3 * Math.max(this.chart?.step ?? 0, 5000);
    const end = Math.max(this.window.last, hubNow() - late);
    return [end - seconds(this.range) * 1000, end];
  }

  /** Begin; returns how to stop. */
  start(): () => void {
    const unhear = this.zoom ? () => undefined : hearPoints((points) => this.take(points));
    const again = setInterval(() => {
      if (this.zoom) return; // what is past does not change
      const due = STREAMED.has(this.range) ? Number.POSITIVE_INFINITY : Math.max(SELDOM, this.chart?.step ?? 0);
      if (!document.hidden && performance.now() - this.fetchedAt > due) void this.load();
    }, 5000);
    const stop = effect(() => {
      if (connection.value > 0) void this.load();
    });
    return () => {
      unhear();
      clearInterval(again);
      stop();
    };
  }

  async load(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.fetchedAt = performance.now();
    const end = Math.round(this.zoom?.[1] ?? hubNow());
    const start = Math.round(this.zoom?.[0] ?? end - seconds(this.range) * 1000);
    try {
      this.fill(await hub.chart(this.panel, this.machine, this.server, start, end, POINTS));
      this.state.value = "ready";
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault;
      if (this.chart === null) this.state.value = "failed";
    } finally {
      this.busy = false;
    }
    this.beat.value += 1;
  }

  private fill(chart: Chart): void {
    this.chart = chart;
    const columns = chart.lines.map((line) => line.average);
    for (const line of chart.lines) if (line.least && line.most) columns.push(line.least, line.most);
    const filled = new SlidingWindow(columns.length, Math.max(64, chart.times.length));
    chart.times.forEach((at, index) => filled.push(at, columns.map((column) => column[index])));
    this.window = filled;
    this.usual = middle(chart.times.slice(1).map((at, index) => at - (chart.times[index] ?? at)));
  }

  /** How long nothing may come before it is shown as a gap, ms. */
  private get patience(): number {
    return 3 * Math.max(this.usual, this.chart?.step ?? 0, (findMachine(this.machine)?.period_seconds ?? 0) * 1000, 2000);
  }

  private take(points: Point[]): void {
    if (!this.chart || !STREAMED.has(this.range)) return;
    for (const point of points) {
      if (point.panel !== this.panel) continue;
      const { lines } = this.chart;
      const known = new Set(lines.map((line) => line.name));
      if (Object.keys(point.values).some((name) => !known.has(name))) {
        if (performance.now() - this.fetchedAt > SELDOM) void this.load(); // a line that was not there: a new disk, say
      }
      const averages = lines.map((line) => point.values[line.name]);
      const bands = this.banded.flatMap((line) => [averages[line], averages[line]]);
      if (this.window.last > 0 && point.at - this.window.last > this.patience) this.window.push(this.window.last + 1, []);
      this.window.push(point.at, [...averages, ...bands]);
    }
    this.window.trim(this.shown[0]);
    this.beat.value += 1;
  }
}

/** The middle one of some numbers; 0 of none. */
function middle(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? 0;
}
