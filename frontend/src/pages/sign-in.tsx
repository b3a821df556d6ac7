// The door: takes the token out of the address at once, or says how to get one.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hub, Refusal } from "../api/ask.ts";
import { go, place } from "../route.ts";
import { askPerson, freshness, person } from "../store.ts";
import { PRODUCT, signIn } from "../strings.ts";
import { Logo } from "../parts/logo.tsx";

/** The token behind the #, which browsers never send to a server; it is taken out of the address before anything else. */
function takeToken(): string {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}

export function SignInPage() {
  const failure = useSignal("");
  const working = useSignal(false);

  useEffect(() => {
    const token = takeToken();
    if (!token) return;
    working.value = true;
    hub
      .signIn(token)
      .then(async () => {
        go("/", "replace");
        await askPerson();
      })
      .catch((fault: unknown) => {
        failure.value = fault instanceof Refusal ? `${fault.message} ${fault.hint}`.trim() : signIn.failed;
      })
      .finally(() => {
        working.value = false;
      });
  }, []);

  const away = person.value === undefined && freshness.value === "reconnecting";
  return (
    <main class="door">
      <Logo />
      <h1>{PRODUCT}</h1>
      {working.value ? (
        <p role="status">{signIn.working}</p>
      ) : (
        <>
          {failure.value && (
            <p class="notice" role="alert">
              {failure.value}
            </p>
          )}
          {away && (
            <p class="notice" role="alert">
              {signIn.away}
            </p>
          )}
          <p>{signIn.how}</p>
          <pre>
            <code>{signIn.command}</code>
          </pre>
          <p class="quiet">{signIn.afterwards}</p>
        </>
      )}
    </main>
  );
}

/** Whether the sign-in page is what this reader needs to see. */
export function isAtDoor(): boolean {
  return person.value === null || place.value.page === "sign-in";
}
