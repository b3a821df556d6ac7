// Tokens for programs, and for the agents of other machines: made, shown once, taken back.
import { useSignal } from "@preact/signals";
import { office } from "../api/people.ts";
import type { MadeToken, NewToken, TokenView } from "../api/types.ts";
import { duration } from "../format.ts";
import { now } from "../store.ts";
import { settings, tokens } from "../strings/people.ts";
import { Field, FormDialog, Select, Shown } from "./form.tsx";
import { Section, useLoaded } from "./loaded.tsx";
import { Moment } from "./time.tsx";

export function TokensSection({ address, loopback }: { address: string; loopback: boolean }) {
  const loaded = useLoaded(office.tokens);
  const adding = useSignal(false);
  const made = useSignal<MadeToken | null>(null);
  const leaving = useSignal("");
  return (
    <>
      <Section
        title={settings.tokens}
        loaded={loaded}
        head={
          <button type="button" class="plain" onClick={() => (adding.value = true)}>
            {tokens.add}
          </button>
        }
      >
        {(list) => (
          <>
            <p class="about-part">{tokens.about}</p>
            <div class="sideways">
              <table class="list tokens">
                <thead>
                  <tr>
                    <th scope="col">{tokens.heads.name}</th>
                    <th scope="col">{tokens.heads.kind}</th>
                    <th scope="col" class="roomy">
                      {tokens.heads.madeBy}
                    </th>
                    <th scope="col" class="roomy">
                      {tokens.heads.used}
                    </th>
                    <th scope="col" class="roomy">
                      {tokens.heads.ends}
                    </th>
                    <th scope="col">
                      <span class="unseen">{tokens.heads.acts}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {list.map((one) => (
                    <tr key={one.name}>
                      <th scope="row">{one.name}</th>
                      <td>{tokens.kinds[one.kind] ?? one.kind}</td>
                      <td class="roomy">{one.made_by || "–"}</td>
                      <td class="roomy">{one.used_at ? <Moment at={one.used_at} /> : settings.never}</td>
                      <td class="roomy">{ends(one)}</td>
                      <td class="do">
                        {!one.local && (
                          <button type="button" class="link" aria-label={tokens.revokeTitle(one.name)} onClick={() => (leaving.value = one.name)}>
                            {tokens.revoke}
                          </button>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </Section>
      {adding.value && (
        <AddDialog
          no={() => (adding.value = false)}
          done={(token) => {
            adding.value = false;
            made.value = token;
            loaded.again();
          }}
        />
      )}
      {made.value && (
        <Shown title={tokens.madeTitle(made.value.name)} about={tokens.made} text={made.value.secret} no={() => (made.value = null)}>
          {made.value.kind === "link" && (
            <>
              <p>{tokens.join}</p>
              <pre class="secret">
                <code>{tokens.joinExample(address)}</code>
              </pre>
              {loopback && <p class="quiet">{tokens.loopback}</p>}
            </>
          )}
        </Shown>
      )}
      {leaving.value && (
        <FormDialog
          title={tokens.revokeTitle(leaving.value)}
          yes={tokens.revoke}
          grave
          no={() => (leaving.value = "")}
          done={() => {
            leaving.value = "";
            loaded.again();
          }}
          act={() => office.revoke(leaving.value)}
        >
          <p>{tokens.revokeMeans}</p>
        </FormDialog>
      )}
    </>
  );
}

function ends(one: TokenView): string {
  if (one.local) return tokens.local;
  if (one.expires_at === 0) return tokens.taken;
  return one.expires_at <= now.value ? tokens.over : duration((one.expires_at - now.value) / 1000);
}

function AddDialog({ no, done }: { no: () => void; done: (made: MadeToken) => void }) {
  const name = useSignal("");
  const kind = useSignal<string>("viewer");
  const days = useSignal("0");
  const add = async () => {
    const wanted: NewToken = { name: name.value.trim(), kind: kind.value as NonNullable<NewToken["kind"]>, days: Number(days.value) || 0 };
    done(await office.addToken(wanted));
  };
  return (
    <FormDialog title={tokens.addTitle} yes={tokens.addYes} no={no} done={() => undefined} act={add}>
      <Field name={tokens.name} value={name} most={63} />
      <Select name={tokens.kind} value={kind} choices={Object.entries(tokens.kinds)} />
      <Field name={tokens.days} value={days} type="number" most={4} />
    </FormDialog>
  );
}
