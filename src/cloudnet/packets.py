"""Every packet between a Cloud Client and a Cloud Server, and the limits that both sides know; `codec` makes bytes of them.

A WebSocket binary message is one MessagePack array of packets, handled in order; so whatever is to be said in one turn goes
in one frame. A packet is an array too: its number, then its fields. Trailing fields may be left out where a default is given;
a field too many is malformed, in every array: what is not known is not skipped, so nothing is decoded that nests without end.
The body of a message is bytes that the server forwards as they are: `sealed` says what clients put there.
docs/cloud-protocol.md describes all of this for other languages, tests/vectors/ holds examples.
"""

from __future__ import annotations

import msgspec

VERSION = 1
KEY_BYTES = 32
ID_BYTES = 16
EPOCH_BYTES = 16
NONCE_BYTES = 32
SIGNATURE_BYTES = 64

MESSAGE_BYTES = 1 << 20
"""The longest WebSocket message, either way."""
BODY_BYTES = 64 << 10
"""The longest body of one relayed message, unless the server's Welcome says less."""
PACKETS = 1024
"""How many packets one WebSocket message of a client may hold."""
TEXT_CHARACTERS = 200
"""The longest name, type or other text of a profile, and of a search."""
EXTRA_BYTES = 1024
"""The longest extra data of a profile."""
PAGE = 100
"""How many profiles one page of a search holds at the most."""
KEYS = 1000
"""How many keys one packet may name."""


class Packet(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag_field="packet"):
    """The frame of all packets."""


class Resume(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Where a client left off: the epoch that its last Welcome named, and the last position that it has taken."""

    epoch: bytes
    position: int


class Profile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who or what can be found: `kind` is ``device``, ``service`` or ``identity``, `type` free (``chat``, ``wallet``).

    `key` is its Ed25519 public key; `device` the key of the session that answers for it, set by the server; `place` latitude
    and longitude in degrees. `signature` is `key`'s own over all of it (see `keys.profile_text`), so nobody else can claim it.
    """

    key: bytes
    kind: str
    type: str
    name: str
    alias: str = ""
    place: tuple[float, float] | None = None
    extra: bytes = b""
    signature: bytes = b""
    device: bytes = b""


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One hit of a search. `distance` in metres, where a place was asked for; `present`: its device is connected now."""

    profile: Profile
    present: bool
    distance: float | None = None


class Limits(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the server grants: bytes of a body, messages under way either way, messages a second, seconds to come back in."""

    body_bytes: int = BODY_BYTES
    under_way: int = 1024
    messages_per_second: int = 10_000
    resume_seconds: int = 120
    mailbox_messages: int = 10_000
    mailbox_bytes: int = 16 << 20
    mailbox_seconds: int = 604_800


# -- from the client --------------------------------------------------------------------------------


class Login(Packet, frozen=True, tag=1):
    """Who I am, proved: `signature` over `keys.login_text`. `nonce` is for the server to sign; `certificate` is the SHA-256 of
    the
    server's TLS certificate as the client saw it, empty without TLS; `authority` the host and port that it dialled.
    """  # noqa: D205  # one sentence each, none of them a summary

    key: bytes
    nonce: bytes
    authority: str
    certificate: bytes
    signature: bytes
    takeover: bool = False
    resume: Resume | None = None
    agent: str = ""


class Send(Packet, frozen=True, tag=2):
    """Relay `body` to the key `to`. `seq` counts from 1 on each connection; `id` stays the same when it is sent again.

    Without `keep` an absent recipient is a reason to reject it rather than to keep it; `ttl` in seconds bounds the keeping.
    """

    seq: int
    to: bytes
    id: bytes
    body: bytes
    keep: bool = True
    ttl: int = 0


class Ack(Packet, frozen=True, tag=3):
    """All messages up to this position have been taken by the application."""

    position: int


class Register(Packet, frozen=True, tag=4):
    """These profiles are mine, replacing what was under their keys before."""

    ask: int
    profiles: tuple[Profile, ...]


class Unregister(Packet, frozen=True, tag=5):
    """These profiles are no more."""

    ask: int
    keys: tuple[bytes, ...]


class Find(Packet, frozen=True, tag=6):
    """Search the directory: every filter that is given must fit. `near` with `radius` (m) sorts by distance, else by name.

    `text` is looked for in name and alias, whatever its case. `after` is the cursor that the last page ended with.
    """

    ask: int
    kind: str = ""
    type: str = ""
    text: str = ""
    key: bytes = b""
    device: bytes = b""
    near: tuple[float, float] | None = None
    radius: float = 0.0
    present: bool = False
    limit: int = 20
    after: bytes = b""


class Watch(Packet, frozen=True, tag=7):
    """Tell me when these keys come and go (`on`), or no longer."""

    ask: int
    keys: tuple[bytes, ...]
    on: bool = True


class Ping(Packet, frozen=True, tag=8):
    """Answer, through everything that a message passes in the server."""

    ask: int


class AskStatus(Packet, frozen=True, tag=9):
    """How does the server stand."""

    ask: int


class Leave(Packet, frozen=True, tag=10):
    """I go for good: no window to resume in, and those who watch are told that I left."""


# -- from the server --------------------------------------------------------------------------------


class Challenge(Packet, frozen=True, tag=64):
    """The first word: who this server is, and what a login has to sign. `now` in ms since the epoch."""

    version: int
    server: bytes
    nonce: bytes
    now: int


class Welcome(Packet, frozen=True, tag=65):
    """Logged in. `signature` is the server's over `keys.welcome_text`; `resumed`: registration, watches and position were kept.

    `epoch` names this session for a later resume. `waiting` messages are in the mailbox and follow in order.
    """

    epoch: bytes
    resumed: bool
    waiting: int
    signature: bytes
    limits: Limits
    backups: tuple[str, ...] = ()


class Deliver(Packet, frozen=True, tag=66):
    """A message for you. `position` rises by one; `at` is when the server got it, in ms since the epoch."""

    position: int
    sender: bytes
    id: bytes
    at: int
    to: bytes
    body: bytes


class Accepted(Packet, frozen=True, tag=67):
    """These of your messages are safe: taken by their recipient, or on the server's disk."""

    seqs: tuple[int, ...]


class Rejected(Packet, frozen=True, tag=68):
    """This one of your messages was not taken, and why."""

    seq: int
    code: str
    why: str


class Done(Packet, frozen=True, tag=69):
    """What was asked is done."""

    ask: int


class Refusal(Packet, frozen=True, tag=70):
    """What was asked is not done, and why."""

    ask: int
    code: str
    why: str


class Found(Packet, frozen=True, tag=71):
    """A page of a search; an empty `next` says that it was the last one."""

    ask: int
    entries: tuple[Entry, ...]
    next: bytes


class Presence(Packet, frozen=True, tag=72):
    """A watched key ``came``, is ``away`` (and may resume), ``resumed`` or ``left``; `at` in ms since the epoch."""

    key: bytes
    state: str
    at: int


class Pong(Packet, frozen=True, tag=73):
    """The answer to a Ping; `now` in ms since the epoch."""

    ask: int
    now: int


class Moving(Packet, frozen=True, tag=74):
    """The server goes within `seconds`: connect to one of `servers`, or here again later."""

    why: str
    servers: tuple[str, ...]
    seconds: float


class Bye(Packet, frozen=True, tag=75):
    """The last word before a close, with the reason in words that fit no close frame."""

    code: str
    why: str


class ServerStatus(Packet, frozen=True, tag=76):
    """How the server stands: since when (ms), sessions, profiles, messages in your own mailbox, and its version."""

    ask: int
    since: int
    sessions: int
    profiles: int
    waiting: int
    version: str


class Servers(Packet, frozen=True, tag=77):
    """Where else you may turn to, from now on: another server of this network has come or gone."""

    servers: tuple[str, ...]


FromClient = Login | Send | Ack | Register | Unregister | Find | Watch | Ping | AskStatus | Leave
FromServer = (
    Challenge
    | Welcome
    | Deliver
    | Accepted
    | Rejected
    | Done
    | Refusal
    | Found
    | Presence
    | Pong
    | Moving
    | Bye
    | ServerStatus
    | Servers
)
