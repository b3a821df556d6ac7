"""People: their names and roles, and what proves that it is they: password, one-time codes, passkeys.

Passwords come in as argon2id hashes (`web.passwords` makes them); nothing here reckons one. Every change leaves its audit row
in the same transaction, and whoever could use what was changed is signed out. An admin who can come in is always left.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from watchkeeper.errors import Refused
from watchkeeper.journal import tables
from watchkeeper.journal.access import Asker, Bearer, Entrance, open_session
from watchkeeper.journal.audit import Entry, insert_entry
from watchkeeper.journal.ledger import Ledger
from watchkeeper.model import Role

MOST_PASSKEYS = 20


class PersonRow(msgspec.Struct, frozen=True):
    """A person and what proves them; times in ms. `totp` is the key of one-time codes, `totp_step` the last code used."""

    name: str
    role: str
    created_at: int
    entered_at: int
    password: str
    totp: str
    totp_step: int

    def __repr__(self) -> str:
        """The name alone: what proves them belongs into no log and no traceback."""
        return f"PersonRow({self.name!r}, {self.role!r})"


class Standing(NamedTuple):
    """A person in a list of all, and how many passkeys and sessions they have."""

    person: PersonRow
    passkeys: int
    sessions: int


class Passkey(msgspec.Struct, frozen=True):
    """A public key that a person's device signs with; `id` and `public_key` in base64url, times in ms."""

    id: str
    person: str
    name: str
    public_key: str
    sign_count: int
    created_at: int
    used_at: int


class People:
    """The people of one journal. Raises `Refused` (``unknown-person``) where one is named who is not there."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def all(self, now: int) -> tuple[Standing, ...]:
        """Everybody, by name."""

        def work(connection: Connection) -> tuple[Standing, ...]:
            keys, sessions = tables.passkeys.c.person, tables.sessions.c
            held = _counted(connection, select(keys, func.count()).group_by(keys))
            here = select(sessions.person, func.count()).where(sessions.expires_at > now).group_by(sessions.person)
            signed_in = _counted(connection, here)
            rows = connection.execute(select(tables.people).order_by(tables.people.c.name)).all()
            return tuple(Standing(_person(row), held.get(row.name, 0), signed_in.get(row.name, 0)) for row in rows)

        return await self._ledger.read(work)

    async def find(self, name: str) -> PersonRow | None:
        """One of them; None for a name that nobody has."""
        query = select(tables.people).where(tables.people.c.name == name)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _person(row)

    async def add(self, name: str, role: Role, who: Asker, password: str = "") -> None:
        """Somebody new; raises `Refused` (``taken``) when a person or a token has that name in any spelling."""

        def work(connection: Connection) -> None:
            for column in (tables.people.c.name, tables.tokens.c.name):
                if connection.execute(select(column).where(func.lower(column) == name.lower())).first():
                    raise Refused(f"the name {name!r} is taken already", code="taken")
            row = {"name": name, "role": role, "created_at": who.at, "entered_at": 0, "password": password}
            connection.execute(insert(tables.people).values(row | {"totp": "", "totp_step": 0}))
            _note(connection, who, "add-person", name, role)

        await self._ledger.write(work)

    async def set_role(self, name: str, role: Role, who: Asker) -> None:
        """What a person may do from now on, in sessions that are open too. Raises `Refused` (``last-admin``)."""

        def work(connection: Connection) -> None:
            _need(connection, name)
            if role != "admin":
                _leave_an_admin(connection, name)
            _change(connection, name, role=role)
            _note(connection, who, "set-role", name, role)

        await self._ledger.write(work)

    async def remove(self, name: str, who: Asker) -> None:
        """Somebody goes, with sessions, links and passkeys. Raises `Refused` (``last-admin``)."""

        def work(connection: Connection) -> None:
            _need(connection, name)
            _leave_an_admin(connection, name)
            connection.execute(delete(tables.people).where(tables.people.c.name == name))
            connection.execute(delete(tables.passkeys).where(tables.passkeys.c.person == name))
            _sign_out(connection, name)
            _note(connection, who, "remove-person", name)

        await self._ledger.write(work)

    async def set_password(self, name: str, password: str, who: Asker, *, keeps: str = "") -> None:
        """Another hash from now on; ends all their sessions but the one whose digest begins with `keeps`."""

        def work(connection: Connection) -> None:
            _need(connection, name)
            _change(connection, name, password=password)
            _sign_out(connection, name, keeps)
            _note(connection, who, "set-password", name)

        await self._ledger.write(work)

    async def rehash(self, name: str, old: str, new: str) -> None:
        """The same password by stronger parameters; nothing if it was changed meanwhile."""
        table = tables.people
        these = (table.c.name == name, table.c.password == old)
        await self._ledger.write(lambda c: c.execute(update(table).where(*these).values(password=new)))

    async def set_totp(self, name: str, key: str, step: int, who: Asker) -> None:
        """Ask for one-time codes by this key from now on (empty: no more); `step` is that of the code just used."""

        def work(connection: Connection) -> None:
            _need(connection, name)
            _change(connection, name, totp=key, totp_step=step)
            _note(connection, who, "set-codes" if key else "remove-codes", name)

        await self._ledger.write(work)

    async def use_code(self, name: str, step: int) -> bool:
        """Use the code of this step; false when it or a later one was used before: no code works twice (RFC 6238, 5.2)."""
        table = tables.people
        fresh = update(table).where(table.c.name == name, table.c.totp_step < step).values(totp_step=step)
        return bool(await self._ledger.write(lambda connection: connection.execute(fresh).rowcount))

    async def reset(self, name: str, who: Asker) -> None:
        """Take away password, codes, passkeys, links and sessions: for a lost device. They come back by a new link."""

        def work(connection: Connection) -> None:
            _need(connection, name)
            _change(connection, name, password="", totp="", totp_step=0)
            connection.execute(delete(tables.passkeys).where(tables.passkeys.c.person == name))
            _sign_out(connection, name)
            _note(connection, who, "reset-person", name)

        await self._ledger.write(work)

    async def enter(self, name: str, entrance: Entrance, now: int) -> tuple[str, Bearer]:
        """A session for somebody who has just proved who they are: its secret, and who it is for."""

        def work(connection: Connection) -> tuple[str, Bearer]:
            _need(connection, name)
            return open_session(connection, name, entrance, now)

        return await self._ledger.write(work)

    async def passkeys(self, person: str) -> tuple[Passkey, ...]:
        """Somebody's, the newest first."""
        table = tables.passkeys
        query = select(table).where(table.c.person == person).order_by(table.c.created_at.desc(), table.c.id)
        rows = await self._ledger.read(lambda connection: connection.execute(query).all())
        return tuple(Passkey(*row) for row in rows)

    async def passkey(self, identity: str) -> Passkey | None:
        """One of anybody's."""
        query = select(tables.passkeys).where(tables.passkeys.c.id == identity)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else Passkey(*row)

    async def add_passkey(self, passkey: Passkey, who: Asker) -> None:
        """One more for its person; raises `Refused` (``taken``, ``too-many``)."""

        def work(connection: Connection) -> None:
            _need(connection, passkey.person)
            table = tables.passkeys
            if connection.execute(select(table.c.id).where(table.c.id == passkey.id)).first():
                raise Refused("this passkey is known already", code="taken")
            held = select(func.count()).select_from(table).where(table.c.person == passkey.person)
            if connection.execute(held).scalar_one() >= MOST_PASSKEYS:
                raise Refused(f"nobody may have more than {MOST_PASSKEYS} passkeys; remove one first", code="too-many")
            connection.execute(insert(table).values(msgspec.structs.asdict(passkey)))
            _note(connection, who, "add-passkey", passkey.person, passkey.name)

        await self._ledger.write(work)

    async def use_passkey(self, identity: str, sign_count: int, now: int) -> None:
        """It was used; its counter stands here now."""
        table = tables.passkeys
        used = update(table).where(table.c.id == identity).values(sign_count=sign_count, used_at=now)
        await self._ledger.write(lambda connection: connection.execute(used))

    async def remove_passkey(self, person: str, identity: str, who: Asker) -> None:
        """It opens nothing any more; raises `Refused` (``unknown-passkey``) for one that is not theirs."""

        def work(connection: Connection) -> None:
            table = tables.passkeys
            theirs = (table.c.id == identity, table.c.person == person)
            if not connection.execute(delete(table).where(*theirs)).rowcount:
                raise Refused("there is no such passkey", code="unknown-passkey")
            _note(connection, who, "remove-passkey", person)

        await self._ledger.write(work)


def _person(row: Row[tuple[object, ...]]) -> PersonRow:
    return PersonRow(row.name, row.role, row.created_at, row.entered_at, row.password, row.totp, row.totp_step)


def _counted(connection: Connection, query: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _need(connection: Connection, name: str) -> None:
    if not connection.execute(select(tables.people.c.name).where(tables.people.c.name == name)).first():
        raise Refused(f"there is nobody called {name!r}", code="unknown-person")


def _leave_an_admin(connection: Connection, name: str) -> None:
    """Raise `Refused` when `name` is the only admin who has ever come in: nobody could let others in from the page."""
    people = tables.people.c
    admins = select(people.name).where(people.role == "admin", people.entered_at > 0)
    if connection.execute(admins).scalars().all() == [name]:
        raise Refused(f"{name} is the only admin who can sign in: make another one first", code="last-admin")


def _change(connection: Connection, name: str, **values: str | int) -> None:
    connection.execute(update(tables.people).where(tables.people.c.name == name).values(values))


def _sign_out(connection: Connection, name: str, keeps: str = "") -> None:
    session, link = tables.sessions.c, tables.sign_in_links.c
    these = [session.person == name]
    if keeps:
        these.append(func.substr(session.digest, 1, len(keeps)) != keeps)
    connection.execute(delete(tables.sessions).where(*these))
    connection.execute(delete(tables.sign_in_links).where(link.person == name))


def _note(connection: Connection, who: Asker, what: str, about: str, why: str = "") -> None:
    insert_entry(connection, Entry(who.at, who.name, who.peer, what, about, why))
