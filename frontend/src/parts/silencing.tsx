// Silence: for how long, of what, and why. It always ends by itself, and says when.
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { hub } from "../api/ask.ts";
import type { Alert } from "../api/types.ts";
import { when } from "../format.ts";
import { hubNow } from "../store.ts";
import { incidents as words, silencing } from "../strings/incidents.ts";
import { askSoon } from "../watch.ts";
import { useActing } from "./acting.ts";
import { Dialog } from "./dialog.tsx";

const HOUR = 3_600_000;
const MORNING = 9;

type Length = keyof typeof silencing.lengths;
/** What could be silenced: its words and its matchers. */
export type Scope = { words: string; matchers: string[] };

/** The end of a silence that begins now. */
export function endOf(length: Length, now: number): number {
  switch (length) {
    case "hour":
      return now + HOUR;
    case "four":
      return now + 4 * HOUR;
    case "day":
      return now + 24 * HOUR;
    case "week":
      return now + 7 * 24 * HOUR;
    case "morning": {
      const morning = new Date(now);
      morning.setHours(MORNING, 0, 0, 0);
      if (morning.getTime() <= now) morning.setDate(morning.getDate() + 1);
      return morning.getTime();
    }
  }
}

function equal(label: string, value: string): string {
  return `${label}=${JSON.stringify(value)}`;
}

/** From the narrowest to the widest that make sense for some alerts. */
export function scopesOf(alerts: Alert[], machine: string, server: string): Scope[] {
  const where = [server, machine].filter(Boolean).join(" on ");
  const place = [...(machine ? [equal("machine", machine)] : []), ...(server ? [equal("server", server)] : [])];
  const names = [...new Set(alerts.map((alert) => alert.labels["alertname"] ?? ""))].filter(Boolean);
  const narrow = names.map((name) => ({ words: silencing.only(name, where), matchers: [equal("alertname", name), ...place] }));
  const wide = place.length > 0 ? [{ words: silencing.all(where), matchers: place }] : [];
  const whole = server && machine ? [{ words: silencing.all(machine), matchers: [equal("machine", machine)] }] : [];
  return [...narrow, ...wide, ...whole];
}

export function SilenceDialog({ title, scopes, no }: { title: string; scopes: Scope[]; no: () => void }) {
  const scope = useSignal(0);
  const length = useSignal<Length>("hour");
  const why = useSignal("");
  const acting = useActing();
  const id = useId();
  const now = hubNow();
  const end = endOf(length.value, now);
  return (
    <Dialog title={`${silencing.title}: ${title}`} no={no}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          const matchers = scopes[scope.value]?.matchers ?? [];
          const begun = hubNow();
          const seconds = Math.max(1, Math.round((endOf(length.value, begun) - begun) / 1000));
          void acting.run(() => hub.silence({ matchers, seconds, comment: why.value.trim() })).then((done) => {
            if (!done) return;
            askSoon();
            no();
          });
        }}
      >
        <fieldset>
          <legend>{silencing.what}</legend>
          {scopes.map((one, index) => (
            <label key={one.words} class="pick">
              <input type="radio" name={`${id}scope`} checked={scope.value === index} onChange={() => (scope.value = index)} />
              {one.words}
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>{silencing.length}</legend>
          <div class="chips">
            {(Object.keys(silencing.lengths) as Length[]).map((one) => (
              <label key={one} class="chip">
                <input type="radio" name={`${id}length`} checked={length.value === one} onChange={() => (length.value = one)} />
                <span>{silencing.lengths[one]}</span>
              </label>
            ))}
          </div>
          <p class="quiet">{silencing.until(when(end, now))}</p>
        </fieldset>
        <label class="field">
          {silencing.why}
          <input type="text" maxLength={300} placeholder={silencing.whyHint} value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
        </label>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {words.refused} {acting.refused.value}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="plain" onClick={no}>
            {silencing.cancel}
          </button>
          <button type="submit" class="chief" disabled={acting.busy.value}>
            {silencing.yes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
