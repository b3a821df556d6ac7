"""Who may come in: people, their sessions, one-time sign-in links, and tokens for programs.

Every secret is 256 random bits, handed out once and kept as its SHA-256 digest alone (a slow hash is for secrets
that people choose; there are none here). A link works once and for an hour, a session for as long as it is used.
Roles and routes are the web's to judge.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from watchkeeper.errors import Refused
from watchkeeper.journal import audit, tables
from watchkeeper.journal.ledger import Ledger

TokenKind = Literal["admin", "read", "link", "write"]
HOUR = 3_600_000
LINK_LIFE = HOUR
SESSION_LIFE = 30 * 24 * HOUR
"""Milliseconds without use after which a session ends."""
FIRST_PERSON = "admin"


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
        """A fresh one-time sign-in secret for `person`, who is made an admin if not known yet."""
        return await self._ledger.write(lambda connection: _add_link(connection, person, now))

    async def redeem(self, secret: str, now: int, peer: str) -> tuple[str, Bearer]:
        """Turn a one-time secret into a session: the session's secret and who it is for.

        Raises `Refused` (``bad-sign-in``) without telling whether it was never ours, used or too old.
        """

        def work(connection: Connection) -> tuple[str, Bearer]:
            link = tables.sign_in_links
            good = (link.c.digest == digest(secret), link.c.used_at == 0, link.c.expires_at > now)
            person = connection.execute(select(link.c.person).where(*good)).scalar_one_or_none()
            if person is None or not connection.execute(update(link).where(*good).values(used_at=now)).rowcount:
                raise Refused("this sign-in link has been used or is too old", code="bad-sign-in")
            here = tables.people.c.name == person
            connection.execute(update(tables.people).where(here).values(entered_at=now))
            role = connection.execute(select(tables.people.c.role).where(here)).scalar_one()
            session = secrets.token_urlsafe(32)
            row = {"digest": digest(session), "person": person, "created_at": now, "seen_at": now}
            connection.execute(insert(tables.sessions).values(row | {"expires_at": now + SESSION_LIFE}))
            audit.insert_entry(connection, audit.Entry(now, person, peer, "sign-in", ""))
            return session, Bearer(person, role)

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

    async def put_token(self, name: str, kind: TokenKind, secret: str, now: int) -> None:
        """Let programs that show `secret` in under `name`; an earlier token of that name ends. Doing it again is harmless."""

        def work(connection: Connection) -> None:
            row = {"digest": digest(secret), "name": name, "kind": kind, "created_at": now}
            mine = (tables.tokens.c.name == name) | (tables.tokens.c.digest == row["digest"])
            connection.execute(delete(tables.tokens).where(mine))
            connection.execute(insert(tables.tokens).values(row))

        await self._ledger.write(work)

    async def token(self, secret: str) -> Bearer | None:
        """Whose token this is; None when it is none. The digests are compared in constant time."""
        key = digest(secret)
        query = select(tables.tokens).where(tables.tokens.c.digest == key)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        return Bearer(row.name, row.kind, token=True) if row and hmac.compare_digest(row.digest, key) else None

    async def end_token(self, name: str) -> bool:
        """Take a token back; false when there was none of that name."""
        gone = delete(tables.tokens).where(tables.tokens.c.name == name)
        return bool(await self._ledger.write(lambda connection: connection.execute(gone).rowcount))

    async def drop_ended(self, now: int) -> None:
        """Forget sessions and links that have ended."""

        def work(connection: Connection) -> None:
            connection.execute(delete(tables.sessions).where(tables.sessions.c.expires_at <= now))
            connection.execute(delete(tables.sign_in_links).where(tables.sign_in_links.c.expires_at <= now))

        await self._ledger.write(work)


def new_secret() -> str:
    """A token for a program: 256 random bits, safe in a URL and a header."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """How a secret is kept and looked up: the lookup goes by the digest, so its time tells nothing about the secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _add_link(connection: Connection, person: str, now: int) -> str:
    if not connection.execute(select(tables.people.c.name).where(tables.people.c.name == person)).one_or_none():
        row = {"name": person, "role": "admin", "created_at": now, "entered_at": 0}
        connection.execute(insert(tables.people).values(row))
    secret = secrets.token_urlsafe(32)
    link = {"digest": digest(secret), "person": person, "created_at": now, "expires_at": now + LINK_LIFE, "used_at": 0}
    connection.execute(insert(tables.sign_in_links).values(link))
    return secret
