// Instants and ages: the viewer's own time, with UTC on hover. Ages follow the page's second hand.
import { duration, utc, when } from "../format.ts";
import { now } from "../store.ts";

/** When something was. */
export function Moment({ at }: { at: number }) {
  if (at === 0) return <>–</>;
  return (
    <time dateTime={new Date(at).toISOString()} title={utc(at)}>
      {when(at, now.value)}
    </time>
  );
}

/** How long ago something began; nothing known is a dash. */
export function Age({ since }: { since: number }) {
  if (since === 0) return <>–</>;
  return <span title={utc(since)}>{duration((now.value - since) / 1000)}</span>;
}
