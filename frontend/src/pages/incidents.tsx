// What is wrong now, with what can be done in each row; what was wrong before; and what is kept quiet.
import { useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { Incident, SilenceView } from "../api/types.ts";
import { when } from "../format.ts";
import { connection, now } from "../store.ts";
import { incidents as words, silencing } from "../strings/incidents.ts";
import { askSoon, incidents, silences, turns } from "../watch.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { IncidentRows } from "../parts/incidents.tsx";
import { useReloading } from "../parts/reloading.ts";
import { Mark } from "../parts/state.tsx";

const PAGE = 30;

export function IncidentsPage() {
  const list = incidents.value;
  const open = list?.filter((one) => one.state === "open").length ?? 0;
  const taken = (list?.length ?? 0) - open;
  return (
    <>
      <h1>{words.sentence(open, taken)}</h1>
      <section class="block" aria-label={words.open}>
        <div class="sheet">
          {list === null ? (
            <div class="waiting rows" aria-hidden="true" />
          ) : list.length === 0 ? (
            <p class="empty all-well">
              <Mark shape="disc" tone="good" />
              {words.none}
            </p>
          ) : (
            <IncidentRows list={list} />
          )}
        </div>
      </section>
      <Silences />
      <Past />
    </>
  );
}

/** Incidents that are over, a page at a time. */
function Past() {
  const fetched = useSignal<Incident[] | null>(null);
  const next = useSignal("");
  const acting = useActing();
  useReloading(
    async (isShown) => {
      const page = await hub.incidents("resolved", PAGE);
      if (!isShown()) return;
      fetched.value = page.incidents;
      next.value = page.next;
    },
    "",
    `${connection.value} ${turns.value}`,
  );
  const more = () =>
    acting.run(async () => {
      const page = await hub.incidents("resolved", PAGE, next.value);
      fetched.value = [...(fetched.value ?? []), ...page.incidents];
      next.value = page.next;
    });
  return (
    <section class="block">
      <header class="block-head">
        <h2>{words.over}</h2>
      </header>
      <div class="sheet">
        {fetched.value === null ? (
          <div class="waiting rows" aria-hidden="true" />
        ) : fetched.value.length === 0 ? (
          <p class="empty">{words.noneOver}</p>
        ) : (
          <IncidentRows list={fetched.value} acts={false} />
        )}
      </div>
      {next.value && (
        <button type="button" class="plain narrow" disabled={acting.busy.value} onClick={() => void more()}>
          {words.older}
        </button>
      )}
    </section>
  );
}

function Silences() {
  const held = silences.value?.filter((one) => one.state !== "expired" && one.ends_at > now.value) ?? [];
  if (held.length === 0) return null;
  return (
    <section class="block">
      <header class="block-head">
        <h2>{silencing.list}</h2>
      </header>
      <ul class="sheet plain-list silences">
        {held.map((one) => (
          <SilenceRow key={one.id} one={one} />
        ))}
      </ul>
    </section>
  );
}

function SilenceRow({ one }: { one: SilenceView }) {
  const acting = useActing();
  const what = one.matchers.map((matcher) => `${matcher.label}${matcher.op}${matcher.value}`).join(", ");
  const end = async () => {
    await hub.endSilence(one.id);
    askSoon();
  };
  return (
    <li data-silence={one.id}>
      <div class="told-of">
        <b>{what}</b>
        <p class="beneath">
          <span>{words.silencedUntil(when(one.ends_at, now.value))}</span>
          <span>{silencing.by(one.author)}</span>
          <span>{silencing.quiet(one.alerts)}</span>
          {one.comment && <span>“{one.comment}”</span>}
        </p>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {words.refused} {acting.refused.value}
          </p>
        )}
      </div>
      {mayAct() && (
        <button type="button" class="plain" aria-label={silencing.endThis(what)} disabled={acting.busy.value} onClick={() => void acting.run(end)}>
          {silencing.end}
        </button>
      )}
    </li>
  );
}
