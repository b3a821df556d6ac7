// A long table of which only the rows in sight are in the document: two empty rows stand for all others.
// Short ones are whole, so that the browser's own search finds everything in them.
import { useSignal } from "@preact/signals";
import { type RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** How high a row is in a table that is a window, px: the style sheet's `.windowed`. */
export const ROW = 56;
const WHOLE = 60; // rows that need no window
const CALM = 120; // ms that a list must have kept its length
const AROUND = 8; // rows kept above and below what is in sight, so that scrolling finds them there

export type Part = { from: number; to: number; before: number; after: number; isWindow: boolean };

/** Which of `count` rows of `height` px lie between two edges, px from the table's first row. */
export function partOf(count: number, height: number, top: number, bottom: number, around = AROUND): Part {
  if (count <= WHOLE) return { from: 0, to: count, before: 0, after: 0, isWindow: false };
  const from = Math.min(count, Math.max(0, Math.floor(top / height) - around));
  const to = Math.min(count, Math.max(from, Math.ceil(bottom / height) + around));
  return { from, to, before: from * height, after: (count - to) * height, isWindow: true };
}

/**
 * The part of the rows to draw now; `root` goes on the body of the table. It follows scrolling and size. A list that has just
 * become another (by a letter in its filter) is at first the rows in sight alone: those around them can wait.
 */
export function useVirtual(count: number, height: number): { root: RefObject<HTMLTableSectionElement | null>; part: Part } {
  const root = useRef<HTMLTableSectionElement>(null);
  const edges = useSignal("0 1000");
  useLayoutEffect(() => {
    if (count <= WHOLE) return undefined;
    let frame = 0;
    const look = () => {
      frame = 0;
      const top = root.current?.getBoundingClientRect().top ?? 0;
      const step = height * (AROUND / 2); // in steps, so that not every pixel is a new drawing
      const from = Math.floor(-top / step) * step;
      edges.value = `${from} ${from + innerHeight + step}`;
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    soon(); // in a frame, whose layout it then shares: at once it would have the page laid out twice
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [count, height]);
  const settled = useSignal(-1);
  useEffect(() => {
    const calm = setTimeout(() => (settled.value = count), CALM);
    return () => clearTimeout(calm);
  }, [count]);
  const [top = 0, bottom = 0] = edges.value.split(" ").map(Number);
  return { root, part: partOf(count, height, top, bottom, settled.value === count ? AROUND : 0) };
}
