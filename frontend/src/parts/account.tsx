// One's own: password, one-time codes, passkeys, and where one is signed in.
import { useSignal } from "@preact/signals";
import { mine } from "../api/people.ts";
import { Refusal } from "../api/ask.ts";
import type { Account, NewCodes, PasskeyView } from "../api/types.ts";
import { own, settings } from "../strings/people.ts";
import { useActing } from "./acting.ts";
import { Dialog } from "./dialog.tsx";
import { Field, FormDialog, Refused } from "./form.tsx";
import { type Loaded, Section, useLoaded } from "./loaded.tsx";
import { canPasskeys, makePasskey } from "./passkeys.ts";
import { Moment } from "./time.tsx";

export function AccountSection() {
  const loaded = useLoaded(mine.account);
  return (
    <Section title={settings.own} loaded={loaded}>
      {(account) => (
        <>
          <Proofs account={account} loaded={loaded} />
          <Sessions account={account} loaded={loaded} />
        </>
      )}
    </Section>
  );
}

type Props = { account: Account; loaded: Loaded<Account> };

function Proofs({ account, loaded }: Props) {
  const open = useSignal<"" | "password" | "codes" | "drop" | "passkey">("");
  const leaving = useSignal<PasskeyView | null>(null);
  const shut = () => (open.value = "");
  const done = () => {
    shut();
    leaving.value = null;
    loaded.again();
  };
  return (
    <>
      <dl class="own">
        <div>
          <dt>{own.signedIn(account.name, settings.role(account.role))}</dt>
        </div>
        <div>
          <dt>{own.password}</dt>
          <dd>{account.password ? own.hasPassword : own.noPassword}</dd>
          <dd class="do">
            <button type="button" class="plain" onClick={() => (open.value = "password")}>
              {account.password ? own.changePassword : own.setPassword}
            </button>
          </dd>
        </div>
        <div>
          <dt>{own.codes}</dt>
          <dd>{account.codes ? own.hasCodes : account.password ? own.noCodes : own.codesNeedPassword}</dd>
          <dd class="do">
            {account.password && (
              <button type="button" class="plain" aria-label={`${own.codes}: ${account.codes ? own.dropCodes : own.setCodes}`} onClick={() => (open.value = account.codes ? "drop" : "codes")}>
                {account.codes ? own.dropCodes : own.setCodes}
              </button>
            )}
          </dd>
        </div>
        <div>
          <dt>{own.passkeys}</dt>
          <dd>{canPasskeys() ? own.passkeysAbout : own.nowhere}</dd>
          <dd class="do">
            {canPasskeys() && (
              <button type="button" class="plain" onClick={() => (open.value = "passkey")}>
                {own.addPasskey}
              </button>
            )}
          </dd>
        </div>
      </dl>
      {account.passkeys.length > 0 && (
        <ul class="plain-list" aria-label={own.passkeys}>
          {account.passkeys.map((one) => (
            <li key={one.id}>
              <span>
                <b>{one.name}</b>{" "}
                <small class="quiet">
                  {own.used} {one.used_at ? <Moment at={one.used_at} /> : settings.never}
                </small>
              </span>
              <button type="button" class="link" aria-label={own.removePasskey(one.name)} onClick={() => (leaving.value = one)}>
                {own.remove}
              </button>
            </li>
          ))}
        </ul>
      )}
      {open.value === "password" && <PasswordDialog account={account} no={shut} done={done} />}
      {open.value === "codes" && <CodesDialog no={shut} done={done} />}
      {open.value === "drop" && <DropDialog no={shut} done={done} />}
      {open.value === "passkey" && <PasskeyDialog account={account} no={shut} done={done} />}
      {leaving.value && (
        <FormDialog title={own.removePasskey(leaving.value.name)} yes={own.remove} grave no={() => (leaving.value = null)} done={done} act={() => mine.removePasskey(leaving.value?.id ?? "")} />
      )}
    </>
  );
}

type Steps = { no: () => void; done: () => void };

function PasswordDialog({ account, no, done }: Steps & { account: Account }) {
  const present = useSignal("");
  const wanted = useSignal("");
  return (
    <FormDialog title={own.password} yes={own.save} no={no} done={done} act={() => mine.changePassword(wanted.value, present.value)}>
      <input type="text" class="unseen" autocomplete="username" value={account.name} readOnly tabIndex={-1} aria-hidden="true" />
      {account.password && <Field name={own.present} value={present} type="password" auto="current-password" />}
      <Field name={own.wanted} value={wanted} type="password" auto="new-password" hint={own.rule} />
      <p class="quiet">{own.afterwards}</p>
    </FormDialog>
  );
}

/** Two steps in one dialog: the password again, then the key and a first code by it. */
function CodesDialog({ no, done }: Steps) {
  const password = useSignal("");
  const code = useSignal("");
  const fresh = useSignal<NewCodes | null>(null);
  const acting = useActing();
  const next = async () => {
    if (fresh.value === null) fresh.value = await mine.beginCodes(password.value);
    else {
      await mine.proveCodes(code.value);
      done();
    }
  };
  return (
    <Dialog title={own.codesTitle} no={no}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void acting.run(next);
        }}
      >
        {fresh.value === null ? (
          <Field name={own.present} value={password} type="password" auto="current-password" />
        ) : (
          <>
            <p>{own.scan}</p>
            <img class="key-picture" src={fresh.value.picture} alt={own.picture} width={200} height={200} />
            <pre class="secret">
              <code>{fresh.value.key.replace(/(.{4})(?=.)/gu, "$1 ")}</code>
            </pre>
            <Field name={own.firstCode} value={code} auto="one-time-code" most={12} />
          </>
        )}
        <Refused acting={acting} />
        <div class="buttons">
          <button type="button" class="plain" onClick={no}>
            {settings.cancel}
          </button>
          <button type="submit" class="chief" disabled={acting.busy.value}>
            {fresh.value === null ? own.go : own.prove}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function DropDialog({ no, done }: Steps) {
  const password = useSignal("");
  return (
    <FormDialog title={own.codesTitle} yes={own.drop} grave no={no} done={done} act={() => mine.dropCodes(password.value)}>
      <p>{own.dropMeans}</p>
      <Field name={own.present} value={password} type="password" auto="current-password" />
    </FormDialog>
  );
}

function PasskeyDialog({ account, no, done }: Steps & { account: Account }) {
  const password = useSignal("");
  const name = useSignal("");
  const make = async () => {
    const { options } = await mine.beginPasskey(password.value);
    const made = await makePasskey(options);
    if (made === null) throw new Refusal(0, { code: "no-passkey", why: own.ended, hint: "" });
    await mine.addPasskey(made, name.value.trim());
  };
  return (
    <FormDialog title={own.passkeys} yes={own.go} no={no} done={done} act={make}>
      <Field name={own.passkeyName} value={name} hint={own.passkeyExample} most={60} />
      {account.password && <Field name={own.present} value={password} type="password" auto="current-password" />}
    </FormDialog>
  );
}

function Sessions({ account, loaded }: Props) {
  const acting = useActing();
  const end = (act: () => Promise<unknown>) => void acting.run(act).then(loaded.again);
  return (
    <>
      <div class="inner-head">
        <h3>{own.mySessions}</h3>
        {account.sessions.length > 1 && (
          <button type="button" class="link" onClick={() => end(mine.endOthers)}>
            {own.endOthers}
          </button>
        )}
      </div>
      <ul class="plain-list" aria-label={own.mySessions}>
        {account.sessions.map((one) => (
          <li key={one.id}>
            <span class="who">
              <b>{browserName(one.browser)}</b> <small class="quiet">{[one.peer, one.method].filter(Boolean).join(", ")}</small>
            </span>
            {one.mine ? (
              <small class="quiet">{own.here}</small>
            ) : (
              <span class="do">
                <small class="quiet">
                  <Moment at={one.seen_at} />
                </small>
                <button type="button" class="link" aria-label={`${own.end}: ${browserName(one.browser)}`} onClick={() => end(() => mine.endSession(one.id))}>
                  {own.end}
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
      <Refused acting={acting} />
    </>
  );
}

/** A browser by the one name of its many that people know; the first word of what it says when it is none of these. */
export function browserName(said: string): string {
  const system = /Android|iPhone|iPad|Windows|Macintosh|Linux/u.exec(said)?.[0] ?? "";
  const name = /Edg|OPR|Firefox|Chrome|Safari/u.exec(said)?.[0] ?? said.split(/[ /]/u)[0] ?? "";
  const known: Record<string, string> = { Edg: "Edge", OPR: "Opera", Macintosh: "macOS" };
  return [known[name] ?? name, known[system] ?? system].filter(Boolean).join(", ") || "–";
}
