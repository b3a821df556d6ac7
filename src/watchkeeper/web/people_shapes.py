"""The shapes of what is about people and what lets in: accounts, sessions, tokens, passkeys; and of the hub's own upkeep.

As in `shapes`: times are milliseconds since the epoch, 0 is "never". Of a secret only the one answer that hands it out has a
field.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from watchkeeper.model import Role, TokenKind

PersonName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$(?!\n)")]
"""What people and tokens may be called: it stands in the audit and in addresses."""
Typed = Annotated[str, msgspec.Meta(max_length=1000)]
"""What somebody typed where a password or a code belongs."""
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Browsers = Annotated[str, msgspec.Meta(max_length=20_000)]
"""JSON of a browser's own, handed on as it is."""


class SignInByPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and its password, and the code of the moment where one is asked for. POST /api/sign-in/password."""

    name: Typed
    password: Typed
    code: Typed = ""


class PasskeyAsk(msgspec.Struct, frozen=True):
    """What the browser is to ask its passkeys: the JSON form of WebAuthn's options."""

    options: str


class PasskeyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a passkey answered: the JSON form of WebAuthn's credential. POST /api/sign-in/passkey."""

    credential: Browsers


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey that the browser has just made, and what its person calls it. POST /api/account/passkeys."""

    credential: Browsers
    name: Label


class PasskeyView(msgspec.Struct, frozen=True):
    """One of one's own passkeys."""

    id: str
    name: str
    created_at: int
    used_at: int


class SessionView(msgspec.Struct, frozen=True):
    """A session. `mine`: it is the one that asks; `browser` is what it calls itself."""

    id: str
    person: str
    method: str
    peer: str
    browser: str
    created_at: int
    seen_at: int
    mine: bool


class Account(msgspec.Struct, frozen=True):
    """Who is signed in, and what proves them. GET /api/account."""

    name: str
    role: str
    password: bool
    codes: bool
    passkeys: tuple[PasskeyView, ...]
    sessions: tuple[SessionView, ...]


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One's password, asked for again before what proves one is changed; empty for who has none."""

    password: Typed = ""


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another password for oneself; `current` is the present one, empty for who has none. POST /api/account/password."""

    wanted: Typed
    current: Typed = ""


class NewCodes(msgspec.Struct, frozen=True):
    """A fresh key for one-time codes: as text, as the address that apps read, and as a picture (data address of an SVG)."""

    key: str
    address: str
    picture: str


class CodeProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A first code, which shows that the app has the key. POST /api/account/codes/proof."""

    code: Typed


class PersonView(msgspec.Struct, frozen=True):
    """A person as admins see them: which proofs they have, never the proofs. GET /api/people."""

    name: str
    role: str
    created_at: int
    entered_at: int
    password: bool
    codes: bool
    passkeys: int
    sessions: int


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody new; with a password, or with none until they come by a link. POST /api/people."""

    name: PersonName
    role: Role = "viewer"
    password: Typed = ""


class RoleAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may do from now on. POST /api/people/{name}/role."""

    role: Role


class PasswordAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's password from now on, given by an admin. POST /api/people/{name}/password."""

    password: Typed


class TokenView(msgspec.Struct, frozen=True):
    """A program's token. `local`: it stands in a file of the hub's data folder. GET /api/tokens."""

    name: str
    kind: str
    created_at: int
    expires_at: int
    used_at: int
    made_by: str
    local: bool


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token for a program: a role (`admin`, `operator`, `viewer`), `link` for agents or `write` for writing figures alone.

    `days` until it ends; 0: until it is taken back. POST /api/tokens.
    """

    name: PersonName
    kind: TokenKind = "viewer"
    days: Annotated[float, msgspec.Meta(ge=0, le=3660)] = 0


class MadeToken(msgspec.Struct, frozen=True):
    """A fresh token; `secret` is shown this once."""

    name: str
    kind: str
    secret: str
    expires_at: int


class AuditView(msgspec.Struct, frozen=True):
    """Who did what, and from where. GET /api/audit."""

    at: int
    by: str
    peer: str
    what: str
    about: str
    why: str
    outcome: str


class ProgramCost(msgspec.Struct, frozen=True):
    """What a program of ours costs: `cpu_ratio` 1.0 is one core, the mean of the last minutes; null is "not known"."""

    program: str
    machine: str
    cpu_ratio: float | None
    memory_bytes: float | None


class Retention(msgspec.Struct, frozen=True):
    """How long things are kept, in seconds, and how much disk figures may take; `elsewhere`: another store keeps them."""

    raw: float
    first: float
    hourly: float
    journal: float
    budget_bytes: int
    keep_free_bytes: int
    elsewhere: bool


class HubUpkeep(msgspec.Struct, frozen=True):
    """What the hub keeps and what watching costs. GET /api/upkeep."""

    version: str
    address: str
    loopback: bool
    machines: int
    series: float | None
    store_bytes: float | None
    retention: Retention
    costs: tuple[ProgramCost, ...]
