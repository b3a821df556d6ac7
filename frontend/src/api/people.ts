// Questions about who may come in: oneself, people, sessions, tokens; and about the hub's own upkeep.
import { ask } from "./ask.ts";
import type {
  Account,
  AuditView,
  CodeProof,
  Confirmation,
  HubUpkeep,
  MadeToken,
  NewCodes,
  NewPasskey,
  NewPerson,
  NewToken,
  PasskeyAsk,
  PasskeyProof,
  PasskeyView,
  PasswordChange,
  Person,
  PersonView,
  RoleAsk,
  SessionView,
  SignInByPassword,
  SignInLink,
  TokenView,
} from "./types.ts";

const personAddress = (name: string) => `/api/people/${encodeURIComponent(name)}`;
const remove = (path: string) => ask<unknown>(path, undefined, "DELETE");

export const door = {
  byPassword: (name: string, password: string, code: string) => ask<Person>("/api/sign-in/password", { name, password, code } satisfies SignInByPassword),
  askPasskey: () => ask<PasskeyAsk>("/api/sign-in/passkey/options", {}),
  byPasskey: (credential: string) => ask<Person>("/api/sign-in/passkey", { credential } satisfies PasskeyProof),
};

export const mine = {
  account: () => ask<Account>("/api/account"),
  changePassword: (wanted: string, current: string) => ask<unknown>("/api/account/password", { wanted, current } satisfies PasswordChange),
  beginCodes: (password: string) => ask<NewCodes>("/api/account/codes", { password } satisfies Confirmation),
  proveCodes: (code: string) => ask<unknown>("/api/account/codes/proof", { code } satisfies CodeProof),
  dropCodes: (password: string) => ask<unknown>("/api/account/codes/off", { password } satisfies Confirmation),
  beginPasskey: (password: string) => ask<PasskeyAsk>("/api/account/passkeys/options", { password } satisfies Confirmation),
  addPasskey: (credential: string, name: string) => ask<PasskeyView>("/api/account/passkeys", { credential, name } satisfies NewPasskey),
  removePasskey: (id: string) => remove(`/api/account/passkeys/${encodeURIComponent(id)}`),
  endSession: (id: string) => remove(`/api/account/sessions/${encodeURIComponent(id)}`),
  endOthers: () => ask<unknown>("/api/account/sessions/end-others", {}),
};

export const office = {
  people: () => ask<PersonView[]>("/api/people"),
  add: (name: string, role: NonNullable<NewPerson["role"]>) => ask<unknown>("/api/people", { name, role } satisfies NewPerson),
  link: (name: string) => ask<SignInLink>(`${personAddress(name)}/sign-in-links`, {}),
  setRole: (name: string, role: RoleAsk["role"]) => ask<unknown>(`${personAddress(name)}/role`, { role } satisfies RoleAsk),
  reset: (name: string) => ask<unknown>(`${personAddress(name)}/reset`, {}),
  remove: (name: string) => remove(personAddress(name)),
  sessions: () => ask<SessionView[]>("/api/sessions"),
  endSession: (id: string) => remove(`/api/sessions/${encodeURIComponent(id)}`),
  tokens: () => ask<TokenView[]>("/api/tokens"),
  addToken: (token: NewToken) => ask<MadeToken>("/api/tokens", token),
  revoke: (name: string) => remove(`/api/tokens/${encodeURIComponent(name)}`),
  audit: () => ask<AuditView[]>("/api/audit?limit=50"),
  upkeep: () => ask<HubUpkeep>("/api/upkeep"),
};
