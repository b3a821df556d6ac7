"""What lets in: people's sessions, one-time sign-in links, and tokens for programs.

Every secret here is 256 random bits, handed out once and kept as its SHA-256 digest alone (a slow hash is for secrets
that people choose; those belong to `people`). A link works once and for an hour, a session for as long as it is used, a
token until its end or until it is taken back. Sessions are named by the beginning of their digest, which tells nothing
about the secret. Roles and routes are the web's to judge.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from watchkeeper.errors import Refused
from watchkeeper.journal import audit, tables
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import TokenKind

Method = Literal["link", "password", "password and code", "passkey"]
"""How a session was begun."""
HOUR = 3_600_000
LINK_LIFE = HOUR
SESSION_LIFE = 30 * 24 * HOUR
"""Milliseconds without use after which a session ends."""
FIRST_PERSON = "admin"
ID_CHARS = 16
"""How much of a digest names a session."""
BROWSER_CHARS = 200
LOCAL_TOKENS = frozenset({"local", "local-agent", "local-writer"})
"""Tokens that stand in files of the data folder: the hub makes them known again at each start."""


class Asker(NamedTuple):
    """Who wants something done, from which address and when (ms): what the audit says of it."""

    name: str
    peer: str
    at: int


class Entrance(NamedTuple):
    """How somebody comes in: what a list of sessions says of it. `browser` is what it calls itself."""

    method: Method = "link"
    peer: str = ""
    browser: str = ""


class Session(msgspec.Struct, frozen=True):
    """A session as a list shows it; times in ms."""

    id: str
    person: str
    method: str
    peer: str
    browser: str
    created_at: int
    seen_at: int


class Token(msgspec.Struct, frozen=True):
    """A token as a list shows it; times in ms, 0: never. Of the secret nothing is known any more."""

    name: str
    kind: str
    created_at: int
    expires_at: int
    used_at: int
    made_by: str


class Bearer(msgspec.Struct, frozen=True):
    """Whoever showed a valid secret. `role`: admin, operator or viewer for people; a token's kind for programs."""

    name: str
    role: str
    token: bool = False


class Access:
    """The sign-ins of one journal. `now` is in ms."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def first_link(self, now: int) -> str:
        """A fresh one-time sign-in secret as long as nobody has ever signed in; empty afterwards."""

        def work(connection: Connection) -> str:
            entered = select(func.count()).select_from(tables.people).where(tables.people.c.entered_at > 0)
            return "" if connection.execute(entered).scalar_one() else _add_link(connection, FIRST_PERSON, now)

        return await self._ledger.write(work)

    async def add_link(self, now: int, person: str = FIRST_PERSON) -> str:
        """A fresh one-time sign-in secret for `person`; raises `Refused` for one who is not known.

        `FIRST_PERSON` is made an admin if not known yet: who may read the local token has all rights anyway.
        """
        return await self._ledger.write(lambda connection: _add_link(connection, person, now))

    async def redeem(self, secret: str, now: int, peer: str, browser: str = "") -> tuple[str, Bearer]:
        """Turn a one-time secret into a session: the session's secret and who it is for.

        Raises `Refused` (``bad-sign-in``) without telling whether it was never ours, used or too old.
        """

        def work(connection: Connection) -> tuple[str, Bearer]:
            link = tables.sign_in_links
            good = (link.c.digest == digest(secret), link.c.used_at == 0, link.c.expires_at > now)
            person = connection.execute(select(link.c.person).where(*good)).scalar_one_or_none()
            if person is None or not connection.execute(update(link).where(*good).values(used_at=now)).rowcount:
                raise Refused("this sign-in link has been used or is too old", code="bad-sign-in")
            return open_session(connection, person, Entrance("link", peer, browser), now)

        return await self._ledger.write(work)

    async def session(self, secret: str, now: int) -> Bearer | None:
        """Who holds this session; None when it is none or has ended. Use prolongs it (written at most once an hour)."""
        key, session, person = digest(secret), tables.sessions.c, tables.people.c
        query = (
            select(session.digest, session.seen_at, person.name, person.role)
            .join(tables.people, person.name == session.person)
            .where(session.digest == key, session.expires_at > now)
        )
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        if row is None or not hmac.compare_digest(row.digest, key):
            return None
        if now - row.seen_at > HOUR:
            prolonged = {"seen_at": now, "expires_at": now + SESSION_LIFE}
            await self._ledger.write(
                lambda c: c.execute(update(tables.sessions).where(session.digest == key).values(prolonged))
            )
        return Bearer(row.name, row.role)

    async def end_session(self, secret: str) -> None:
        """Sign out: the session is nothing from now on."""
        gone = delete(tables.sessions).where(tables.sessions.c.digest == digest(secret))
        await self._ledger.write(lambda connection: connection.execute(gone))

    async def sessions(self, now: int, person: str = "") -> tuple[Session, ...]:
        """All that hold, or `person`'s, the latest used first."""
        table = tables.sessions.c
        query = select(tables.sessions).where(table.expires_at > now).order_by(table.seen_at.desc(), table.digest)
        if person:
            query = query.where(table.person == person)
        rows = await self._ledger.read(lambda connection: connection.execute(query).all())
        return tuple(
            Session(session_id(row.digest), row.person, row.method, row.peer, row.browser, row.created_at, row.seen_at)
            for row in rows
        )

    async def end_sessions(self, who: Asker, person: str = "", identity: str = "", *, but: str = "") -> int:
        """End one (`identity`), or all of a `person` (`but` this one); with both, only if it is theirs. How many ended."""
        digest_ = tables.sessions.c.digest

        def work(connection: Connection) -> int:
            these = [tables.sessions.c.person == person] if person else []
            if identity:
                these.append(func.substr(digest_, 1, ID_CHARS) == identity)
            if but:
                these.append(func.substr(digest_, 1, ID_CHARS) != but)
            if not these:
                return 0
            people = connection.execute(select(tables.sessions.c.person).where(*these)).scalars().all()
            connection.execute(delete(tables.sessions).where(*these))
            for name in sorted(set(people)):
                audit.insert_entry(connection, audit.Entry(who.at, who.name, who.peer, "end-session", name))
            return len(people)

        return await self._ledger.write(work)

    async def add_token(self, name: str, kind: TokenKind, secret: str, who: Asker, expires_at: int = 0) -> None:
        """A new token by somebody's wish, until `expires_at` (ms; 0: until it is taken back).

        Raises `Refused` (``taken``) when a token or a person has that name, as the audit tells both by name alone.
        """

        def work(connection: Connection) -> None:
            for column in (tables.tokens.c.name, tables.people.c.name):
                if connection.execute(select(column).where(func.lower(column) == name.lower())).first():
                    raise Refused(f"the name {name!r} is taken already", code="taken")
            row = {"digest": digest(secret), "name": name, "kind": kind, "created_at": who.at, "expires_at": expires_at}
            connection.execute(insert(tables.tokens).values(row | {"made_by": who.name, "used_at": 0}))
            audit.insert_entry(connection, audit.Entry(who.at, who.name, who.peer, "add-token", name, kind))

        await self._ledger.write(work)

    async def tokens(self) -> tuple[Token, ...]:
        """All there are, by name; those that have ended too, until they are forgotten."""
        table = tables.tokens.c
        query = select(table.name, table.kind, table.created_at, table.expires_at, table.used_at, table.made_by)
        rows = await self._ledger.read(lambda connection: connection.execute(query.order_by(table.name)).all())
        return tuple(Token(*row) for row in rows)

    async def revoke_token(self, name: str, who: Asker) -> None:
        """Take one back for good; raises `Refused` for one that is not there, or that the hub itself would make again."""

        def work(connection: Connection) -> None:
            if name in LOCAL_TOKENS:
                raise Refused(f"{name!r} stands in a file of the hub's data folder; remove that and restart", code="configured")
            if not connection.execute(delete(tables.tokens).where(tables.tokens.c.name == name)).rowcount:
                raise Refused(f"there is no token {name!r}", code="unknown-token")
            audit.insert_entry(connection, audit.Entry(who.at, who.name, who.peer, "revoke-token", name))

        await self._ledger.write(work)

    async def put_token(self, name: str, kind: TokenKind, secret: str, now: int) -> None:
        """Let programs that show `secret` in under `name`; an earlier token of that name ends. Doing it again is harmless."""

        def work(connection: Connection) -> None:
            row = {"digest": digest(secret), "name": name, "kind": kind, "created_at": now}
            row |= {"expires_at": 0, "made_by": "", "used_at": 0}
            mine = (tables.tokens.c.name == name) | (tables.tokens.c.digest == row["digest"])
            connection.execute(delete(tables.tokens).where(mine))
            connection.execute(insert(tables.tokens).values(row))

        await self._ledger.write(work)

    async def token(self, secret: str, now: int = 0) -> Bearer | None:
        """Whose token this is; None when it is none, or has ended by `now`. The digests are compared in constant time.

        That it is used is written down at most once an hour.
        """
        key, table = digest(secret), tables.tokens
        query = select(table).where(table.c.digest == key)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        if row is None or not hmac.compare_digest(row.digest, key) or 0 < row.expires_at <= now:
            return None
        if now - row.used_at > HOUR:
            await self._ledger.write(lambda c: c.execute(update(table).where(table.c.digest == key).values(used_at=now)))
        return Bearer(row.name, row.kind, token=True)

    async def end_token(self, name: str) -> bool:
        """Take a token back; false when there was none of that name."""
        gone = delete(tables.tokens).where(tables.tokens.c.name == name)
        return bool(await self._ledger.write(lambda connection: connection.execute(gone).rowcount))

    async def drop_ended(self, now: int) -> None:
        """Forget sessions and links that have ended, and tokens that ended a month ago: so long a list says why they fail."""

        def work(connection: Connection) -> None:
            connection.execute(delete(tables.sessions).where(tables.sessions.c.expires_at <= now))
            connection.execute(delete(tables.sign_in_links).where(tables.sign_in_links.c.expires_at <= now))
            ends = tables.tokens.c.expires_at
            connection.execute(delete(tables.tokens).where(ends > 0, ends <= now - SESSION_LIFE))

        await self._ledger.write(work)


def new_secret() -> str:
    """A token for a program: 256 random bits, safe in a URL and a header."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """How a secret is kept and looked up: the lookup goes by the digest, so its time tells nothing about the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def session_id(digest_: str) -> str:
    """What a session is called where it is listed and ended."""
    return digest_[:ID_CHARS]


def open_session(connection: Connection, person: str, entrance: Entrance, now: int) -> tuple[str, Bearer]:
    """A fresh session inside another room's transaction: its secret, and who it is for. The person must be known."""
    here = tables.people.c.name == person
    connection.execute(update(tables.people).where(here).values(entered_at=now))
    role = connection.execute(select(tables.people.c.role).where(here)).scalar_one()
    session = secrets.token_urlsafe(32)
    row = {"digest": digest(session), "person": person, "created_at": now, "seen_at": now, "expires_at": now + SESSION_LIFE}
    row |= {"method": entrance.method, "peer": entrance.peer, "browser": entrance.browser[:BROWSER_CHARS]}
    connection.execute(insert(tables.sessions).values(row))
    audit.insert_entry(connection, audit.Entry(now, person, entrance.peer, "sign-in", "", f"by {entrance.method}"))
    return session, Bearer(person, role)


def _add_link(connection: Connection, person: str, now: int) -> str:
    if not connection.execute(select(tables.people.c.name).where(tables.people.c.name == person)).one_or_none():
        if person != FIRST_PERSON:
            raise Refused(f"there is nobody called {person!r}", code="unknown-person")
        row = {"name": person, "role": "admin", "created_at": now, "entered_at": 0}
        connection.execute(insert(tables.people).values(row | {"password": "", "totp": "", "totp_step": 0}))
    secret = secrets.token_urlsafe(32)
    link = {"digest": digest(secret), "person": person, "created_at": now, "expires_at": now + LINK_LIFE, "used_at": 0}
    connection.execute(insert(tables.sign_in_links).values(link))
    return secret
