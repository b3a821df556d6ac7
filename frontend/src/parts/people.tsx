// People as admins see to them: what each may do, a link for who is new, a reset for who lost a device.
import { useSignal } from "@preact/signals";
import { office } from "../api/people.ts";
import type { PersonView, Role, SignInLink } from "../api/types.ts";
import { people, settings } from "../strings/people.ts";
import { useActing } from "./acting.ts";
import { Field, FormDialog, Refused, Select, Shown } from "./form.tsx";
import { Section, useLoaded } from "./loaded.tsx";
import { Moment } from "./time.tsx";

const ROLES: Role[] = ["viewer", "operator", "admin"];

export function PeopleSection() {
  const loaded = useLoaded(office.people);
  const adding = useSignal(false);
  const asked = useSignal<{ verb: "reset" | "remove"; name: string } | null>(null);
  const link = useSignal<{ name: string; url: string } | null>(null);
  const acting = useActing();
  const show = (name: string) => (made: SignInLink) => (link.value = { name, url: made.url });
  const done = () => {
    asked.value = null;
    loaded.again();
  };
  return (
    <>
      <Section
        title={settings.people}
        loaded={loaded}
        head={
          <button type="button" class="plain" onClick={() => (adding.value = true)}>
            {people.add}
          </button>
        }
      >
        {(list) => (
          <>
            <div class="sideways">
              <table class="list people">
                <thead>
                  <tr>
                    <th scope="col">{people.heads.name}</th>
                    <th scope="col">{people.heads.role}</th>
                    <th scope="col" class="roomy">
                      {people.heads.proofs}
                    </th>
                    <th scope="col" class="number roomy">
                      {people.heads.sessions}
                    </th>
                    <th scope="col" class="roomy">
                      {people.heads.last}
                    </th>
                    <th scope="col">
                      <span class="unseen">{people.heads.acts}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {list.map((one) => (
                    <Row
                      key={one.name}
                      one={one}
                      setRole={(role) => void acting.run(() => office.setRole(one.name, role)).then(loaded.again)}
                      makeLink={() => void acting.run(() => office.link(one.name).then(show(one.name)))}
                      ask={(verb) => (asked.value = { verb, name: one.name })}
                    />
                  ))}
                </tbody>
              </table>
            </div>
            <Refused acting={acting} />
          </>
        )}
      </Section>
      {adding.value && (
        <AddDialog
          no={() => (adding.value = false)}
          done={(name, made) => {
            adding.value = false;
            show(name)(made);
            loaded.again();
          }}
        />
      )}
      {link.value && <Shown title={people.linkTitle(link.value.name)} about={people.link} text={link.value.url} no={() => (link.value = null)} />}
      {asked.value?.verb === "reset" && (
        <FormDialog title={people.resetTitle(asked.value.name)} yes={people.reset} grave no={() => (asked.value = null)} done={done} act={() => office.reset(asked.value?.name ?? "")}>
          <p>{people.resetMeans}</p>
        </FormDialog>
      )}
      {asked.value?.verb === "remove" && (
        <FormDialog title={people.removeTitle(asked.value.name)} yes={people.remove} grave no={() => (asked.value = null)} done={done} act={() => office.remove(asked.value?.name ?? "")}>
          <p>{people.removeMeans}</p>
        </FormDialog>
      )}
    </>
  );
}

type RowProps = { one: PersonView; setRole: (role: Role) => void; makeLink: () => void; ask: (verb: "reset" | "remove") => void };

function Row({ one, setRole, makeLink, ask }: RowProps) {
  return (
    <tr>
      <th scope="row">{one.name}</th>
      <td>
        <select aria-label={people.roleOf(one.name)} value={one.role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {settings.role(role)}
            </option>
          ))}
        </select>
      </td>
      <td class="roomy">{people.proofs(one.password, one.codes, one.passkeys)}</td>
      <td class="number roomy">{one.sessions}</td>
      <td class="roomy">{one.entered_at ? <Moment at={one.entered_at} /> : settings.never}</td>
      <td class="do">
        <button type="button" class="link" aria-label={people.act(people.makeLink, one.name)} onClick={makeLink}>
          {people.makeLink}
        </button>
        <button type="button" class="link" aria-label={people.act(people.reset, one.name)} onClick={() => ask("reset")}>
          {people.reset}
        </button>
        <button type="button" class="link" aria-label={people.act(people.remove, one.name)} onClick={() => ask("remove")}>
          {people.remove}
        </button>
      </td>
    </tr>
  );
}

function AddDialog({ no, done }: { no: () => void; done: (name: string, link: SignInLink) => void }) {
  const name = useSignal("");
  const role = useSignal<string>("viewer");
  const add = async () => {
    await office.add(name.value.trim(), role.value as Role);
    done(name.value.trim(), await office.link(name.value.trim()));
  };
  return (
    <FormDialog title={people.addTitle} yes={people.addYes} no={no} done={() => undefined} act={add}>
      <Field name={people.name} value={name} hint={people.nameRule} most={63} />
      <Select name={people.role} value={role} choices={ROLES.map((one) => [one, settings.roles[one] ?? one])} />
    </FormDialog>
  );
}
