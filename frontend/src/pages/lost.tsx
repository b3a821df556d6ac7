// There is nothing at this address: what was looked for, and the way back.
import { lost } from "../strings.ts";

export function Lost({ words = lost.title }: { words?: string }) {
  return (
    <>
      <h1>{words}</h1>
      <p>
        <a class="way" href="/">
          {lost.back}
        </a>
      </p>
    </>
  );
}
