// State as shape, word and colour together, so that none of them has to carry it alone.
import type { Health, ServerView, Event } from "../api/types.ts";
import { blind } from "../store.ts";
import { severities, states } from "../strings.ts";

export type Shape = "disc" | "triangle" | "square" | "cross" | "ring" | "dot";
export type Tone = "good" | "warn" | "bad" | "quiet";
export type Standing = { shape: Shape; tone: Tone; word: string };

const PATHS: Record<Shape, string> = {
  disc: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
  triangle: "M8 2.6 14 13H2z",
  square: "M3.2 3.2h9.6v9.6H3.2z",
  cross: "M4.3 2.9 8 6.6l3.7-3.7 1.4 1.4L9.4 8l3.7 3.7-1.4 1.4L8 9.4l-3.7 3.7-1.4-1.4L6.6 8 2.9 4.3z",
  ring: "",
  dot: "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z",
};

/** One of the shapes, drawn so that no font can change it. */
export function Mark({ shape, tone }: { shape: Shape; tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      {shape === "ring" ? <circle cx="8" cy="8" r="4.6" class="dashed" /> : <path d={PATHS[shape]} />}
    </svg>
  );
}

export function State({ standing }: { standing: Standing }) {
  return (
    <span class={`state ${standing.tone}`}>
      <Mark shape={standing.shape} tone={standing.tone} />
      {standing.word}
    </span>
  );
}

const UNKNOWN: Standing = { shape: "ring", tone: "quiet", word: states.unknown };

/** How a server stands as far as this page can know: nothing is known while the hub is out of reach. */
export function serverStanding(view: ServerView): Standing {
  return blind.value ? UNKNOWN : heardStanding(view);
}

/** How a server stands by the hub's last word: its agent's, and nothing where that is old. The terminal shows the same. */
export function heardStanding(view: ServerView): Standing {
  const { state } = view.status;
  const away = view.health === "unknown" && view.status.health !== "unknown";
  if (away || (view.health === "unknown" && state === "running")) return UNKNOWN;
  switch (state) {
    case "running":
      return view.health === "down"
        ? { shape: "square", tone: "bad", word: states.failing }
        : { shape: "disc", tone: "good", word: states.up };
    case "waiting":
    case "starting":
    case "stopping":
      return { shape: "triangle", tone: "warn", word: states[state] };
    case "stopped":
      return { shape: "cross", tone: "quiet", word: states.stopped };
    case "backoff":
      return { shape: "cross", tone: "bad", word: states.down };
    case "exited":
      return { shape: "cross", tone: "bad", word: states.exited };
  }
}

/** How a machine stands; as for a server, the hub's word counts while it can be heard. */
export function machineStanding(health: Health): Standing {
  if (blind.value) return UNKNOWN;
  if (health === "up") return { shape: "disc", tone: "good", word: states.up };
  if (health === "down") return { shape: "cross", tone: "bad", word: states.down };
  return { shape: "ring", tone: "quiet", word: states.away };
}

const EVENT_MARKS: Record<Event["severity"], { shape: Shape; tone: Tone }> = {
  info: { shape: "dot", tone: "quiet" },
  warning: { shape: "triangle", tone: "warn" },
  critical: { shape: "cross", tone: "bad" },
};

export function Severity({ severity }: { severity: Event["severity"] }) {
  const mark = EVENT_MARKS[severity];
  return (
    <span class="severity" title={severities[severity]}>
      <Mark shape={mark.shape} tone={mark.tone} />
      {severity !== "info" && <span class="unseen">{severities[severity]}: </span>}
    </span>
  );
}
