// The ways to tell people: how each stands, when it last reached anybody, a test of it, and what became of every message.
import { useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { ChannelView, NotificationView } from "../api/types.ts";
import { incidentPath } from "../route.ts";
import { connection } from "../store.ts";
import { channels as words } from "../strings/explore.ts";
import { incident as incidentWords, incidents } from "../strings/incidents.ts";
import { turns } from "../watch.ts";
import { mayAct, useActing } from "../parts/acting.ts";
import { useReloading } from "../parts/reloading.ts";
import { Mark, State, type Standing, type Tone } from "../parts/state.tsx";
import { Moment } from "../parts/time.tsx";

const ASK_AGAIN = 5000; // ms
const LISTED = 50;

function standing(one: ChannelView): Standing {
  if (one.failures > 0) return { shape: "cross", tone: "bad", word: words.failing(one.failures) };
  if (one.last_success_at === 0) return { shape: "ring", tone: "quiet", word: words.untried };
  return { shape: "disc", tone: "good", word: words.fine };
}

export function ChannelsPage() {
  const list = useSignal<ChannelView[] | null>(null);
  const told = useSignal<NotificationView[]>([]);
  const again = useSignal(0);
  useReloading(
    async (isShown) => {
      const [found, sent] = await Promise.all([hub.channels(), hub.notifications("", LISTED)]);
      if (!isShown()) return;
      list.value = found;
      told.value = sent.notifications;
    },
    "",
    [connection.value, turns.value, again.value].join(" "),
    ASK_AGAIN,
  );
  return (
    <>
      <h1>{words.title}</h1>
      <ul class="sheet plain-list channels">
        {list.value === null && <li class="waiting rows" aria-hidden="true" />}
        {list.value?.length === 0 && (
          <li class="empty help">
            <p>{words.none}</p>
            <p>{words.noneHint}</p>
            <pre>
              <code>{words.noneExample}</code>
            </pre>
          </li>
        )}
        {list.value?.map((one) => (
          <Channel key={one.name} one={one} tested={() => (again.value += 1)} />
        ))}
      </ul>
      <section class="block">
        <header class="block-head">
          <h2>{words.messages}</h2>
        </header>
        <div class="sheet">
          <Messages list={told.value} />
        </div>
      </section>
    </>
  );
}

function Channel({ one, tested }: { one: ChannelView; tested: () => void }) {
  const acting = useActing();
  const outcome = useSignal<NotificationView | null>(null);
  const test = () =>
    acting
      .run(async () => {
        outcome.value = null;
        outcome.value = await hub.testChannel(one.name);
      })
      .then(tested);
  const ended = outcome.value;
  return (
    <li data-channel={one.name}>
      <div class="told-of">
        <p class="channel-name">
          <b>{one.name}</b> <small>{one.kind}</small> <State standing={standing(one)} />
        </p>
        <p class="beneath">
          <span>
            {words.headings.success}: <Moment at={one.last_success_at} />
          </span>
          {one.queue > 0 && (
            <span>
              {words.headings.queue}: {one.queue}
            </span>
          )}
          {one.fallback && (
            <span>
              {words.headings.fallback}: {one.fallback}
            </span>
          )}
          {one.failures > 0 && one.why && <span class="bad">{one.why}</span>}
        </p>
        <p role="status" class={ended?.state === "delivered" ? "good" : "bad"}>
          {ended && (ended.state === "delivered" ? `${words.arrived} ${ended.receipt && words.receipt(ended.receipt)}` : `${incidentWords.notifications[ended.state]}: ${ended.why}`)}
          {acting.refused.value && `${incidents.refused} ${acting.refused.value}`}
        </p>
      </div>
      {mayAct() && (
        <button type="button" class="plain" aria-label={words.testOf(one.name)} disabled={acting.busy.value} onClick={() => void test()}>
          {acting.busy.value ? words.testing : words.test}
        </button>
      )}
    </li>
  );
}

function Messages({ list }: { list: NotificationView[] }) {
  if (list.length === 0) return <p class="empty">{words.noMessages}</p>;
  return (
    <ol class="events messages">
      {list.map((one) => {
        const tone: Tone = one.state === "delivered" ? "good" : one.state === "failed" ? "bad" : "quiet";
        return (
          <li key={one.id}>
            <span class="severity">
              <Mark shape={one.state === "delivered" ? "disc" : one.state === "failed" ? "cross" : "ring"} tone={tone} />
            </span>
            <span class="what">
              {one.incident ? <a href={incidentPath(one.incident)}>{one.subject}</a> : one.subject}{" "}
              <small>
                {one.channel}: {incidentWords.notifications[one.state]}
                {one.why && ` · ${one.why}`}
              </small>
            </span>
            <Moment at={one.ended_at || one.at} />
          </li>
        );
      })}
    </ol>
  );
}
