// A question with fields in a dialog: what is typed goes along, a refusal stays in sight, Escape is "no".
import type { ComponentChildren } from "preact";
import { settings } from "../strings/people.ts";
import { type Acting, useActing } from "./acting.ts";
import { Dialog } from "./dialog.tsx";

type Props = { title: string; yes: string; no: () => void; act: () => Promise<unknown>; done?: () => void; grave?: boolean; children?: ComponentChildren };

/** `act` does it; `done` hears that it was done, in place of `no`. */
export function FormDialog({ title, yes, no, act, done = no, grave = false, children }: Props) {
  const acting = useActing();
  return (
    <Dialog title={title} no={no}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void acting.run(act).then((was) => was && done());
        }}
      >
        {children}
        <Refused acting={acting} />
        <div class="buttons">
          <button type="button" class="plain" onClick={no}>
            {settings.cancel}
          </button>
          <button type="submit" class={grave ? "danger" : "chief"} disabled={acting.busy.value}>
            {yes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What the hub said against it. */
export function Refused({ acting }: { acting: Acting }) {
  if (!acting.refused.value) return null;
  return (
    <p class="bad" role="alert">
      {settings.refused} {acting.refused.value}
    </p>
  );
}

type FieldProps = {
  name: string;
  value: { value: string };
  type?: "text" | "password" | "number";
  auto?: string;
  hint?: string;
  most?: number;
  required?: boolean;
};

/** One field; `auto` tells the browser's own keeper of passwords what it is. */
export function Field({ name, value, type = "text", auto = "off", hint = "", most = 200, required = true }: FieldProps) {
  const shared = {
    value: value.value,
    autocomplete: auto,
    maxLength: most,
    required,
    spellcheck: false,
    onInput: (event: { currentTarget: HTMLInputElement }) => {
      value.value = event.currentTarget.value;
    },
  };
  return (
    <label class="field">
      {name}
      {type === "password" ? <input type="password" {...shared} /> : type === "number" ? <input type="number" min={0} {...shared} /> : <input type="text" autocapitalize="off" {...shared} />}
      {hint && <small class="quiet">{hint}</small>}
    </label>
  );
}

type Choice = { name: string; value: { value: string }; choices: [string, string][] };

/** One of a few. */
export function Select({ name, value, choices }: Choice) {
  return (
    <label class="field">
      {name}
      <select value={value.value} onChange={(event) => (value.value = event.currentTarget.value)}>
        {choices.map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Something to copy, shown once: a link, a token. */
export function Shown({ title, about, text, no, children }: { title: string; about: string; text: string; no: () => void; children?: ComponentChildren }) {
  return (
    <Dialog title={title} no={no} wide>
      <p>{about}</p>
      <pre class="secret">
        <code>{text}</code>
      </pre>
      {children}
      <div class="buttons">
        <button type="button" class="chief" onClick={no}>
          {settings.close}
        </button>
      </div>
    </Dialog>
  );
}
