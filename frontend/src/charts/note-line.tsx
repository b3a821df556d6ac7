// One line above the charts: what happened at the instant under the cursor, or how much happened in all; behind it the whole list.
import { clock, day, minute, utc } from "../format.ts";
import { instant, pick, range, seconds, zoom } from "../route.ts";
import { time as words } from "../strings/time.ts";
import { Mark } from "../parts/state.tsx";
import { hovered, type Note, notes, notesNear, type NoteTone } from "./notes.ts";

const NEAR = 0.012; // of the time shown
const SHAPES = { bad: "cross", warn: "triangle", good: "disc", even: "square", quiet: "dot" } as const;

function Sign({ tone }: { tone: NoteTone }) {
  return <Mark shape={SHAPES[tone]} tone={tone === "even" ? "quiet" : tone} />;
}

export function NoteLine() {
  const list = notes.value;
  const span = zoom.value ? zoom.value[1] - zoom.value[0] : seconds(range.value) * 1000;
  return (
    <details class="note-line">
      <summary>
        <Beneath list={list} span={span} />
      </summary>
      <ol class="events">
        {list.toReversed().map((note) => (
          <li key={note.id}>
            <span class="severity">
              <Sign tone={note.tone} />
            </span>
            <span class="what">{note.text}</span>
            <button type="button" class="link" title={utc(note.at)} aria-pressed={instant.value === note.at} onClick={() => pick(note.at)}>
              {span > 86_400_000 ? `${day(note.at)}, ${minute(note.at)}` : clock(note.at)}
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}

function Beneath({ list, span }: { list: Note[]; span: number }) {
  const at = hovered.value;
  const near = at > 0 ? notesNear(list, at, span * NEAR)[0] : undefined;
  if (!near) {
    return (
      <>
        {words.happened(list.length)} <small>{words.hint}</small>
      </>
    );
  }
  return (
    <>
      <Sign tone={near.tone} />
      <b>{clock(near.at)}</b> {near.text}
    </>
  );
}
