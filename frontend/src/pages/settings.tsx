// Who may come in, what lets programs in, what is kept and what watching costs. Admins see all of it, others their own.
import { office } from "../api/people.ts";
import { AccountSection } from "../parts/account.tsx";
import { useLoaded } from "../parts/loaded.tsx";
import { PeopleSection } from "../parts/people.tsx";
import { TokensSection } from "../parts/tokens.tsx";
import { AuditSection, MachinesSection, SessionsSection, UpkeepSection } from "../parts/upkeep.tsx";
import { person } from "../store.ts";
import { settings } from "../strings/people.ts";

export function SettingsPage() {
  const loaded = useLoaded(office.upkeep);
  const isAdmin = person.value?.role === "admin";
  const { address, loopback } = loaded.value.value ?? { address: location.origin, loopback: false };
  return (
    <div class="settings">
      <h1>{settings.title}</h1>
      <AccountSection />
      {isAdmin && <PeopleSection />}
      {isAdmin && <TokensSection address={address} loopback={loopback} />}
      {isAdmin && <SessionsSection />}
      <MachinesSection loaded={loaded} />
      <UpkeepSection loaded={loaded} />
      {isAdmin && <AuditSection />}
    </div>
  );
}
