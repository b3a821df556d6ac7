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
    return () => dialog?.close(); // while it is still in the document, so that the focus goes back to where it was
  }, []);
  return (
    <dialog ref={box} class={wide ? "question wide-question" : "question"} aria-labelledby={id} onClose={no}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
