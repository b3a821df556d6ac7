// Dark, light or as the system has it: a choice that this browser remembers. Charts redraw when it changes.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEPT = "watchkeeper.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system"; // storage may be forbidden; the page works without
  }
}

export const theme = signal<Theme>(remembered());
/** Counts changes of what is painted, whether chosen here or by the system. */
export const palette = signal(0);

export function turn(): void {
  theme.value = NEXT[theme.value];
  try {
    localStorage.setItem(KEPT, theme.value);
  } catch {
    // not remembered, but in force
  }
}

/** Keep the document's theme as chosen; must run before the first paint. */
export function keepTheme(): void {
  effect(() => {
    const root = document.documentElement;
    if (theme.value === "system") root.removeAttribute("data-theme");
    else root.dataset["theme"] = theme.value;
    palette.value = palette.peek() + 1;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    palette.value += 1;
  });
}
