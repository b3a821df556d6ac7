// On a phone: all pages that have no tab of their own.
import { places } from "../strings/places.ts";
import { askPalette } from "../parts/keys.tsx";
import { keys } from "../strings/keys.ts";
import { GOALS } from "./places.ts";

export function MorePage() {
  return (
    <>
      <h1>{places.more}</h1>
      <ul class="sheet plain-list">
        {GOALS.filter((goal) => !goal.tab).map((goal) => (
          <li key={goal.path}>
            <a class="way" href={goal.path}>
              {goal.title}
            </a>
          </li>
        ))}
        <li>
          <button type="button" class="link" aria-haspopup="dialog" onClick={askPalette}>
            {keys.open}
          </button>
        </li>
      </ul>
    </>
  );
}
