"""What is one's own: who am I here, my password, my sessions. Codes and passkeys are next door, in `proving`."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from watchkeeper.errors import Refused
from watchkeeper.journal import access as kept
from watchkeeper.journal.access import Session
from watchkeeper.web.access import cookie_secret
from watchkeeper.web.hall import Hall, asker, bearer, peer
from watchkeeper.web.people_shapes import Account, PasskeyView, PasswordChange, SessionView

FRESH = 15 * 60_000
"""Milliseconds: who has no password to say again must have come in so lately to change what proves them."""


@get("/api/account", operation_id="account", opt={"own": True})
async def account(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Account:
    """Who is signed in, what proves them, and where else they are signed in."""
    who, journal = bearer(request), hall.desk.journal
    person = await journal.people.find(who.name)
    held = await journal.people.passkeys(who.name)
    sessions = await journal.access.sessions(hall.now(), who.name)
    return Account(
        who.name,
        who.role,
        bool(person and person.password),
        bool(person and person.totp),
        tuple(PasskeyView(one.id, one.name, one.created_at, one.used_at) for one in held),
        tuple(session_view(one, own_session(request)) for one in sessions),
    )


@post("/api/account/password", operation_id="changeOwnPassword", status_code=204, opt={"own": True})
async def change_own_password(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[PasswordChange]
) -> None:
    """Another password for oneself; ends one's other sessions."""
    await confirm(request, hall, data.current)
    name = bearer(request).name
    fresh = await hall.door.passwords.hash(data.wanted, name)
    await hall.desk.journal.people.set_password(name, fresh, asker(request, hall), keeps=own_session(request))


@delete("/api/account/sessions/{identity:str}", operation_id="endOwnSession", opt={"own": True})
async def end_own_session(request: Request[Any, Any, Any], hall: NamedDependency[Hall], identity: FromPath[str]) -> None:
    """End one of one's own sessions."""
    who = asker(request, hall)
    if not await hall.desk.journal.access.end_sessions(who, who.name, identity):
        raise Refused("there is no such session of yours", code="unknown-session")


@post("/api/account/sessions/end-others", operation_id="endOtherSessions", status_code=204, opt={"own": True})
async def end_other_sessions(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> None:
    """End all of one's own sessions but this one."""
    who = asker(request, hall)
    await hall.desk.journal.access.end_sessions(who, who.name, but=own_session(request))


async def confirm(request: Request[Any, Any, Any], hall: Hall, password: str) -> None:
    """Make sure that it is still they who signed in: by the password again, or by having come in lately without one.

    Raises `Refused` (``confirm``, ``too-many-failures``), so that a page left open gives nobody a key of their own.
    """
    name, now = bearer(request).name, hall.desk.clock.monotonic()
    person = await hall.desk.journal.people.find(name)
    if person is None or not person.password:
        mine = [one for one in await hall.desk.journal.access.sessions(hall.now(), name) if one.id == own_session(request)]
        if not mine or hall.now() - mine[0].created_at > FRESH:
            raise Refused("you came in some time ago: sign in again to change this", code="confirm")
        return
    hall.door.may_try(now, peer(request), name)
    hall.door.failures.add(peer(request), now)
    hall.door.guesses.add(name, now)
    if await hall.door.passwords.check(person.password, password) is None:
        raise Refused("your present password is needed for this, and this is not it", code="confirm")
    hall.door.failures.forgive(peer(request))
    hall.door.guesses.forgive(name)


def own_session(request: Request[Any, Any, Any]) -> str:
    """The id of the session that asks; empty for a token."""
    secret = cookie_secret(request.headers.get("cookie", ""))
    return kept.session_id(kept.digest(secret)) if secret else ""


def session_view(one: Session, own: str) -> SessionView:
    """A session as the API shows it."""
    when = one.created_at, one.seen_at
    return SessionView(one.id, one.person, one.method, one.peer, one.browser, *when, mine=one.id == own)


ROUTES = [account, change_own_password, end_own_session, end_other_sessions]
