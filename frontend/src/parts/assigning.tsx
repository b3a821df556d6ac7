// Assign an incident: to oneself by one click, to somebody else by name, or to nobody.
import { useSignal } from "@preact/signals";
import { hub } from "../api/ask.ts";
import type { Incident } from "../api/types.ts";
import { person } from "../store.ts";
import { assigning, incidents as words, silencing } from "../strings/incidents.ts";
import { takeIncident } from "../watch.ts";
import { useActing } from "./acting.ts";
import { Dialog } from "./dialog.tsx";

export function AssignDialog({ incident, no }: { incident: Incident; no: () => void }) {
  const name = useSignal(incident.assigned_to);
  const acting = useActing();
  const me = person.value?.name ?? "";
  const assign = (to: string) => {
    void acting.run(async () => takeIncident(await hub.assign(incident.id, to))).then((done) => done && no());
  };
  return (
    <Dialog title={assigning.title} no={no}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          assign(name.value.trim());
        }}
      >
        <div class="buttons start">
          <button type="button" class="plain" disabled={acting.busy.value} onClick={() => assign(me)}>
            {words.you(me)}
          </button>
          {incident.assigned_to && (
            <button type="button" class="plain" disabled={acting.busy.value} onClick={() => assign("")}>
              {assigning.nobody}
            </button>
          )}
        </div>
        <label class="field">
          {assigning.name}
          <input type="text" maxLength={200} value={name.value} autocomplete="off" onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        {acting.refused.value && (
          <p class="bad" role="alert">
            {words.refused} {acting.refused.value}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="plain" onClick={no}>
            {silencing.cancel}
          </button>
          <button type="submit" class="chief" disabled={acting.busy.value || name.value.trim() === ""}>
            {assigning.yes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
