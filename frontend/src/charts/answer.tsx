// The answer to a question in PromQL: lines without a unit, drawn as the charts are, and every series in a table.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Found, Metric } from "../api/prom.ts";
import { written } from "../api/prom.ts";
import { clock, day, minute, plain } from "../format.ts";
import { explore as words } from "../strings/explore.ts";
import { palette } from "../theme.ts";
import { axes, COLOURS, colour, token } from "./plot.ts";

const DRAWN = 40; // more lines than that are a carpet

/** All series on one time axis; what has no value there is null. */
export function together(found: Found[], start: number, end: number, step: number): uPlot.AlignedData {
  const times: number[] = [];
  for (let at = start; at <= end; at += step * 1000) times.push(at);
  const columns = found.map(({ values }) => {
    const column: (number | null)[] = times.map(() => null);
    for (const [at, value] of values) {
      const place = Math.round((at - start) / (step * 1000));
      if (place >= 0 && place < column.length && Number.isFinite(value)) column[place] = value;
    }
    return column;
  });
  return [times, ...columns];
}

type Props = { title: string; found: Found[]; start: number; end: number; step: number; zoom: (from: number, to: number) => void };

export function AnswerChart({ title, found, start, end, step, zoom }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const under = useSignal<number | null>(null);
  const drawn = found.slice(0, DRAWN);
  useEffect(() => {
    const holder = root.current;
    if (!holder) return undefined;
    const data = together(drawn, start, end, step);
    let plot: uPlot | null = null;
    const paint = () => {
      plot?.destroy();
      plot = new uPlot(
        {
          width: Math.max(120, holder.clientWidth),
          height: holder.clientHeight,
          ms: 1,
          padding: [8, 16, 0, 0],
          legend: { show: false },
          cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: 6 }, points: { size: 6, fill: token("--sheet") }, bind: { dblclick: () => () => null } },
          scales: { x: { time: true, range: [start, end] }, y: { range: (_plot, low, high) => bounds(low, high) } },
          axes: axes((end - start) / 1000, plain),
          series: [{}, ...drawn.map((_, index) => ({ stroke: token(`--line-${(index % COLOURS) + 1}`), width: 1.5, points: { show: data[0].length < 3 } }))],
          hooks: {
            setCursor: [(at) => (under.value = at.cursor.idx ?? null)],
            setSelect: [
              (at) => {
                if (at.select.width >= 4) zoom(at.posToVal(at.select.left, "x"), at.posToVal(at.select.left + at.select.width, "x"));
              },
            ],
          },
        },
        data,
        holder,
      );
    };
    const size = new ResizeObserver(() => plot?.setSize({ width: Math.max(120, holder.clientWidth), height: holder.clientHeight }));
    const stop = palette.subscribe(paint);
    size.observe(holder);
    return () => {
      stop();
      size.disconnect();
      plot?.destroy();
    };
  }, [found, start, end, step]);
  const at = under.value === null ? 0 : start + under.value * step * 1000;
  return (
    <div class="sheet answer">
      <p class="under" aria-hidden="true">
        {at > 0 ? `${day(at)}, ${end - start > 3_600_000 ? minute(at) : clock(at)}` : "\u00a0"}
      </p>
      <div class="drawing" ref={root} role="img" aria-label={words.chartOf(title, found.length)} />
      {found.length > DRAWN && <p class="quiet">{words.more(found.length - DRAWN)}</p>}
    </div>
  );
}

/** Where the axis begins and ends: from zero where nothing is below, and never without height. */
function bounds(low: number | null, high: number | null): [number, number] {
  const bottom = Math.min(0, low ?? 0);
  const top = Math.max(high ?? 1, bottom);
  return top === bottom ? [bottom, bottom + 1] : [bottom < 0 ? bottom * 1.05 : 0, top > 0 ? top * 1.05 : 0];
}

/** Labels that all series share say nothing. */
function shared(found: Found[]): Set<string> {
  const first: Metric = found[0]?.metric ?? {};
  if (found.length < 2) return new Set();
  return new Set(Object.entries(first).flatMap(([label, value]) => (found.every((one) => one.metric[label] === value) ? [label] : [])));
}

export function AnswerTable({ found }: { found: Found[] }) {
  const common = shared(found);
  const said = Object.fromEntries(Object.entries(found[0]?.metric ?? {}).filter(([label]) => common.has(label)));
  return (
    <div class="sheet sideways">
      <table class="list answers">
        <thead>
          <tr>
            <th scope="col">{common.size > 0 ? written(said) : words.table}</th>
            <th scope="col" class="number">
              {words.now}
            </th>
            <th scope="col" class="number roomy">
              {words.least}
            </th>
            <th scope="col" class="number roomy">
              {words.mean}
            </th>
            <th scope="col" class="number roomy">
              {words.most}
            </th>
          </tr>
        </thead>
        <tbody>
          {found.slice(0, 500).map((one, index) => {
            const values = one.values.map(([, value]) => value).filter(Number.isFinite);
            const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
            return (
              <tr key={written(one.metric)}>
                <th scope="row">
                  <span class="key" style={{ background: index < DRAWN ? colour(index) : "transparent" }} aria-hidden="true" />
                  <code>{written(one.metric, common)}</code>
                </th>
                <td class="number">{figureOf(values.at(-1))}</td>
                <td class="number roomy">{figureOf(values.reduce((least, value) => Math.min(least, value), Infinity))}</td>
                <td class="number roomy">{figureOf(mean)}</td>
                <td class="number roomy">{figureOf(values.reduce((most, value) => Math.max(most, value), -Infinity))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** As exact as it helps: whole where it is large or whole, four digits where it is small. */
function figureOf(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) || Math.abs(value) >= 10_000) return plain(Math.round(value));
  return String(Number(value.toPrecision(4)));
}
