// What stands above everything while the hub is out of reach: that it is, how old the page is, and when it tries again.
import { duration } from "../format.ts";
import { tryNow } from "../live.ts";
import { heardAt, hubTime, lostAt, now, retryAt } from "../store.ts";
import { frame } from "../strings.ts";
import { Mark } from "./state.tsx";

const PATIENCE = 1500; // ms: a hub that only restarts is back before anyone needs to read of it

export function Banner() {
  const lost = lostAt.value;
  const away = lost > 0 && now.value - hubTime(lost) > PATIENCE;
  const age = heardAt.value === 0 ? "" : duration((now.value - heardAt.value) / 1000);
  // The alert is there before it has words, for only then are they read out; the seconds beside it are not.
  return (
    <div class={away ? "banner" : "banner none"}>
      <p role="alert">
        {away && (
          <>
            <Mark shape="triangle" tone="warn" />
            <b>{frame.away}</b>
          </>
        )}
      </p>
      {away && (
        <>
          <span>{frame.awayMeans(age)}</span>
          <span class="next">
            {frame.nextTry(retryAt.value === 0 ? 0 : Math.ceil((hubTime(retryAt.value) - now.value) / 1000))}
            <button type="button" class="plain" onClick={tryNow}>
              {frame.tryNow}
            </button>
          </span>
        </>
      )}
    </div>
  );
}
