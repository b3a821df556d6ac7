// The browser's own dialog: it keeps the focus inside and gives it back, Escape is "no".
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

type Props = { title: string; no: () => void; children: ComponentChildren; wide?: boolean };

/** Open for as long as it is there; `no` hears that somebody closed it by hand. */
export function Dialog({ title, no, children, wide = false }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    // While it is still in the document, so that the focus goes back to where it was. The browser tells of it later, when the
    // next one may be open: `onClose` looks whether this one still is there.
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={box} class={wide ? "question wide-question" : "question"} aria-labelledby={id} onClose={() => box.current && no()}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
