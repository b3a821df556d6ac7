// The door: a link's token is taken out of the address at once; else a name with its password, or a passkey.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import { door } from "../api/people.ts";
import { Logo } from "../parts/logo.tsx";
import { Field } from "../parts/form.tsx";
import { canPasskeys, givePasskey } from "../parts/passkeys.ts";
import { go, place } from "../route.ts";
import { askPerson, freshness, person } from "../store.ts";
import { PRODUCT } from "../strings.ts";
import { entering } from "../strings/people.ts";

/** The token behind the #, which browsers never send to a server; it is taken out of the address before anything else. */
function takeToken(): string {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

async function byPasskey(): Promise<void> {
  const { options } = await door.askPasskey();
  const given = await givePasskey(options);
  if (given === null) throw new Refusal(0, { code: "no-passkey", why: entering.passkeyEnded, hint: "" });
  await door.byPasskey(given);
}

export function SignInPage() {
  const failure = useSignal("");
  const working = useSignal(false);
  const name = useSignal("");
  const password = useSignal("");
  const code = useSignal("");
  const needsCode = useSignal(false);

  async function enter(way: () => Promise<unknown>): Promise<void> {
    if (working.peek()) return;
    working.value = true;
    failure.value = "";
    try {
      await way();
      if (place.value.page === "sign-in") go("/", "replace");
      await askPerson();
    } catch (fault) {
      if (fault instanceof Refusal && fault.code === "code-wanted" && !needsCode.peek()) needsCode.value = true;
      else failure.value = fault instanceof Refusal ? `${fault.message} ${fault.hint}`.trim() : entering.failed;
    } finally {
      working.value = false;
    }
  }

  useEffect(() => {
    const token = takeToken();
    if (token) void enter(() => hub.signIn(token));
  }, []);

  const away = person.value === undefined && freshness.value === "reconnecting";
  return (
    <main class="door">
      <Logo />
      <h1>{PRODUCT}</h1>
      {failure.value && (
        <p class="notice" role="alert">
          {failure.value}
        </p>
      )}
      {away && (
        <p class="notice" role="alert">
          {entering.away}
        </p>
      )}
      {working.value && <p role="status">{entering.working}</p>}
      <form
        class="form"
        hidden={working.value}
        onSubmit={(event) => {
          event.preventDefault();
          void enter(() => door.byPassword(name.value.trim(), password.value, code.value));
        }}
      >
        <Field name={entering.name} value={name} auto="username webauthn" />
        <Field name={entering.password} value={password} type="password" auto="current-password" />
        {needsCode.value && <Field name={entering.code} value={code} auto="one-time-code" hint={entering.codeHint} most={12} />}
        <button type="submit" class="chief">
          {entering.enter}
        </button>
        {canPasskeys() && (
          <button type="button" class="plain" onClick={() => void enter(byPasskey)}>
            {entering.passkey}
          </button>
        )}
      </form>
      <details>
        <summary>{entering.byLink}</summary>
        <p>{entering.how}</p>
        <pre>
          <code>{entering.command}</code>
        </pre>
      </details>
    </main>
  );
}

/** Whether the sign-in page is what this reader needs to see. */
export function isAtDoor(): boolean {
  return person.value === null || place.value.page === "sign-in";
}
