// Machines and their servers as two lists under one filter: on the overview, and alone on a page of their own.
import { useComputed } from "@preact/signals";
import { blind, machines, servers } from "../store.ts";
import { frame } from "../strings.ts";
import { Filter, machinesWanted, serversWanted, wanted } from "../parts/filter.tsx";
import { MachineTable } from "../parts/machine-table.tsx";
import { ServerTable } from "../parts/server-table.tsx";
import { machineStanding, serverStanding } from "../parts/state.tsx";

const FEW = 8; // things that need no filter

/** `withServers` shows what is kept on the machines above them. */
export function Fleet({ withServers }: { withServers: boolean }) {
  const kept = useComputed(() => serversWanted(servers.value ?? [], wanted.value));
  const known = useComputed(() => machinesWanted(machines.value ?? [], servers.value ?? [], wanted.value));
  const standings = useComputed(() => {
    void blind.value; // standings depend on it
    const all = (machines.value ?? []).map((view) => machineStanding(view.health));
    return withServers ? [...(servers.value ?? []).map(serverStanding), ...all] : all;
  });
  const filtered = wanted.value.words.length > 0 || wanted.value.tone !== "";
  const number = (withServers ? kept.value.length : 0) + known.value.length;
  return (
    <>
      {(filtered || standings.value.length > FEW) && <Filter standings={standings.value} found={number} />}
      {withServers && machines.value?.length !== 0 && !(filtered && kept.value.length === 0 && number > 0) && <ServerTable list={kept.value} filtered={filtered} />}
      {!(filtered && known.value.length === 0 && withServers) && <MachineTable list={known.value} filtered={filtered} />}
    </>
  );
}

export function MachinesPage() {
  return (
    <>
      <h1>{frame.machines}</h1>
      <Fleet withServers={false} />
    </>
  );
}
