// The pages that one can go to from everywhere, in their order: side, tabs, palette and keys all read this list.
import type { List } from "../route.ts";
import { places } from "../strings/places.ts";

/** `key` is what follows `g`; `tab` says whether it is one of the few at the bottom of a phone. */
export type Goal = { page: "overview" | List; path: string; title: string; key: string; tab: boolean };

export const GOALS: Goal[] = [
  { page: "overview", path: "/", title: places.overview, key: "o", tab: true },
  { page: "incidents", path: "/incidents", title: places.incidents, key: "i", tab: true },
  { page: "machines", path: "/machines", title: places.machines, key: "m", tab: true },
  { page: "events", path: "/events", title: places.events, key: "e", tab: true },
  { page: "explore", path: "/explore", title: places.explore, key: "x", tab: false },
  { page: "rules", path: "/rules", title: places.rules, key: "r", tab: false },
  { page: "channels", path: "/channels", title: places.channels, key: "c", tab: false },
  { page: "drills", path: "/drills", title: places.drills, key: "d", tab: false },
  { page: "stress", path: "/stress", title: places.stress, key: "s", tab: false },
  { page: "settings", path: "/settings", title: places.settings, key: "p", tab: false },
];

/** The one behind the last tab: all that has no tab of its own. */
export const MORE: Goal = { page: "more", path: "/more", title: places.more, key: "", tab: true };
