// The texts of incidents: what is wrong, since when, who looks after it, and what can be done.
import type { Incident, Severity } from "../api/types.ts";
import { count } from "../format.ts";

export const STATES: Record<Incident["state"], string> = { open: "Open", acknowledged: "Acknowledged", resolved: "Over" };
export const GRAVITY: Record<Severity, string> = { critical: "Critical", warning: "Warning", info: "For your information" };

export const incidents = {
  title: "Incidents",
  sentence: (open: number, taken: number) =>
    open + taken === 0
      ? "No incident is open."
      : [open > 0 ? `${count(open, "incident")} ${open === 1 ? "waits" : "wait"} for somebody` : "", taken > 0 ? `${taken} ${taken === 1 ? "is" : "are"} in somebody's hands` : ""]
          .filter(Boolean)
          .join(", ") + ".",
  open: "Open incidents",
  over: "Over",
  none: "Nothing is wrong that a rule knows of.",
  noneOver: "There has been no incident yet.",
  all: "All incidents",
  older: "Older ones",
  since: "since",
  lasted: (text: string) => `lasted ${text}`,
  drill: "Drill",
  takenBy: (name: string) => `${name} looks after it`,
  assignedTo: (name: string) => `for ${name}`,
  silencedUntil: (text: string) => `silenced until ${text}`,
  quiet: "nobody is told",
  alerts: (number: number) => count(number, "alert"),
  acknowledge: "Acknowledge",
  acknowledgeThis: (title: string) => `Acknowledge: ${title}`,
  takeBack: "Hand back",
  takeBackThis: (title: string) => `Hand back: ${title}`,
  silence: "Silence…",
  silenceThis: (title: string) => `Silence: ${title}`,
  assign: "Assign…",
  you: (name: string) => `Me (${name})`,
  refused: "Not done:",
  unknown: "There is no such incident. It may be older than what the hub keeps.",
};

export const incident = {
  away: "It cannot be shown yet, and is asked for again:",
  opened: "Began",
  ended: "Ended",
  lasts: "Has lasted",
  lasted: "Lasted",
  hands: "In the hands of",
  nobody: "nobody yet",
  meantFor: "Assigned to",
  where: "Where",
  told: "Who was told",
  toldNone: "Nobody was told of it: its alerts are silenced, held back, or no channel is set up.",
  alerts: "What is wrong",
  first: "What to do first",
  why: "Why this rule",
  runbook: "Runbook",
  charts: "Charts at that time",
  output: "Output and charts at that time",
  evidence: "Evidence",
  evidenceOf: (server: string, why: string) => `${server}: ${why || "saved before something was done to it"}`,
  timeline: "What happened",
  comment: "Say something",
  commentHint: "What have you seen, what have you done?",
  send: "Send",
  suppressed: "Nobody is told:",
  rule: "Rule",
  states: { pending: "pending", firing: "firing", unknown: "nobody can tell", resolved: "over" },
  kinds: { alert: "Alert", event: "Event", action: "Action", comment: "Comment", people: "People" },
  notifications: { waiting: "waits to be sent", claimed: "is being sent", delivered: "delivered", failed: "not delivered", superseded: "not needed any more" },
};

export const silencing = {
  title: "Silence",
  what: "Tell nobody of",
  only: (name: string, where: string) => `${name}${where ? ` on ${where}` : ""}`,
  all: (where: string) => `everything on ${where}`,
  length: "For",
  lengths: { hour: "1 hour", four: "4 hours", morning: "until 9 in the morning", day: "1 day", week: "1 week" },
  until: (text: string) => `It ends by itself: ${text}. What happens until then is still seen and written down.`,
  why: "Why",
  whyHint: "So that others know (optional)",
  yes: "Silence",
  cancel: "Cancel",
  end: "End silence",
  endThis: (what: string) => `End the silence of ${what}`,
  list: "Silences",
  none: "Nothing is silenced.",
  by: (name: string) => `by ${name}`,
  quiet: (number: number) => (number === 0 ? "keeps nothing quiet now" : `keeps ${count(number, "alert")} quiet now`),
  states: { active: "Holds", pending: "Begins later", expired: "Over" },
};

export const assigning = {
  title: "Who is to look after it?",
  name: "Name",
  nobody: "Nobody",
  yes: "Assign",
};

export const evidence = {
  title: (server: string) => `Evidence of ${server}`,
  saved: "Saved",
  process: "Process",
  took: "Took",
  why: "Why",
  missing: (what: string) => `Could not be had in the time there was: ${what}.`,
  file: "Download",
  waiting: "Its agent is asked for it…",
};
