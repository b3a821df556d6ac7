// What a server was doing before something was done to it, as its agent saved it: sections of text, to read or to keep.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import type { EvidenceFile } from "../api/types.ts";
import { duration } from "../format.ts";
import { machinePath, serverPath } from "../route.ts";
import { connection } from "../store.ts";
import { server as serverWords } from "../strings.ts";
import { evidence as words } from "../strings/incidents.ts";
import { Moment } from "../parts/time.tsx";

export function EvidencePage({ machine, id }: { machine: string; id: string }) {
  const found = useSignal<EvidenceFile | null>(null);
  const refused = useSignal("");
  useEffect(() => {
    let mine = true;
    hub
      .evidence(machine, id)
      .then((file) => {
        if (mine) found.value = file;
      })
      .catch((fault: unknown) => {
        if (!(fault instanceof Refusal)) throw fault;
        if (mine) refused.value = `${fault.message} ${fault.hint}`.trim();
      });
    return () => {
      mine = false;
    };
  }, [machine, id, connection.value]);
  const file = found.value;
  if (!file) {
    return (
      <>
        <h1>{words.title(machine)}</h1>
        {refused.value ? (
          <p class="notice" role="alert">
            {refused.value}
          </p>
        ) : (
          <p class="empty" role="status">
            {words.waiting}
          </p>
        )}
      </>
    );
  }
  return (
    <>
      <h1>
        <a href={serverPath(machine, file.server)}>{words.title(file.server)}</a>
        <a class="on" href={machinePath(machine)}>
          {serverWords.on(machine)}
        </a>
      </h1>
      <p class="facts">
        {words.saved} <Moment at={file.at} /> · {words.process} {file.pid} · {file.why} · {words.took} {duration(file.seconds)} ·{" "}
        <a class="way" href={`/api/machines/${encodeURIComponent(machine)}/evidence/${encodeURIComponent(id)}`} download>
          {words.file}
        </a>
      </p>
      {file.missing.length > 0 && <p class="notice">{words.missing(file.missing.join(", "))}</p>}
      {file.sections.map((section, index) => (
        <details key={section.title} class="sheet section" open={index < 3}>
          <summary>{section.title}</summary>
          {/* It scrolls on its own, so keys must be able to reach it. */}
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard (WCAG 2.1.1) */}
          <pre class="log" tabIndex={0} role="region" aria-label={section.title}>
            {section.text}
          </pre>
        </details>
      ))}
    </>
  );
}
