// The time that a line of output carries, if it carries one: servers write them in many ways, agents keep lines as they come.

const ISO = /\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?\s?(Z|[+-]\d{2}:?\d{2})?/;
const EPOCH = /(?:^|[^\d.])(1[5-9]\d{8})(?:\.(\d+))?(?:[^\d]|$)/;
const CLOCK = /^\W{0,2}(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,3}))?\b/;

/** When a line was written, ms; null where it does not say. A time without a zone is the viewer's; without a day it is the one nearest to `near`. */
export function timeOf(line: string, near: number): number | null {
  const iso = ISO.exec(line);
  if (iso) {
    const zone = iso[4] ?? "";
    const at = Date.parse(`${iso[1]}T${iso[2]}.${(iso[3] ?? "0").slice(0, 3).padEnd(3, "0")}${zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone}`);
    return Number.isNaN(at) ? null : at;
  }
  const epoch = EPOCH.exec(line);
  if (epoch) return Number(epoch[1]) * 1000 + Math.round(Number(`0.${epoch[2] ?? 0}`) * 1000);
  const time = CLOCK.exec(line);
  if (!time) return null;
  const day = new Date(near);
  day.setHours(Number(time[1]), Number(time[2]), Number(time[3]), Number((time[4] ?? "0").padEnd(3, "0")));
  return day.getTime();
}

/** The place of the first line that was written at or after an instant; -1 where no line says when. `before` says that all are later. */
export function placeAt(lines: string[], at: number): { place: number; before: boolean } {
  let place = -1;
  let timed = 0;
  let first = true;
  for (let index = 0; index < lines.length; index += 1) {
    const written = timeOf(lines[index] ?? "", at);
    if (written === null) continue;
    timed += 1;
    if (written >= at) {
      place = index;
      break;
    }
    first = false;
  }
  if (timed === 0) return { place: -1, before: false };
  return { place: place < 0 ? lines.length : place, before: place >= 0 && first };
}
