// Texts that hold commands between backticks, as rules and runbooks write them.

export function Prose({ text }: { text: string }) {
  // Parts never change their places in a text.
  // oxlint-disable-next-line react/no-array-index-key -- the list is made anew as a whole and its places never move
  return <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}
