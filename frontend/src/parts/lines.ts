// Lines of output as they stand in the document: bounded in number, harmless, the worst of them coloured.
// They are appended by hand: a busy server writes more than a diff of all of them would bear.

const KEPT = 2000;
const LEVEL = /\b(?:WARN(?:ING)?|ERROR|FATAL|CRITICAL|PANIC)\b/;
// Colours and cursor moves that programs write for terminals (ECMA-48), which mean nothing here.
// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ESCAPES = /\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[@-Z\\-_])/g;

/** Put lines behind those that are there, hidden where they are not wanted; the oldest go when there are too many. */
export function append(holder: HTMLElement, lines: string[], wanted: (row: HTMLElement) => boolean = () => true): void {
  const added = document.createDocumentFragment();
  for (const line of lines.slice(-KEPT)) {
    const row = document.createElement("div");
    const level = LEVEL.exec(line)?.[0];
    if (level) row.className = level.startsWith("W") ? "warn" : "bad";
    row.textContent = line.replace(ESCAPES, "") || "\u00a0";
    row.hidden = !wanted(row);
    added.append(row);
  }
  holder.append(added);
  while (holder.childElementCount > KEPT) holder.firstElementChild?.remove();
}
