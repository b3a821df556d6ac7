"""People as admins see to them: who there is, what each may do, who is signed in where; and who did what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from watchkeeper.errors import Refused
from watchkeeper.journal.access import LINK_LIFE
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.events import PAGE
from watchkeeper.web import access
from watchkeeper.web.hall import Hall, asker
from watchkeeper.web.origins import is_loopback
from watchkeeper.web.people_shapes import AuditView, NewPerson, PasswordAsk, PersonView, RoleAsk, SessionView
from watchkeeper.web.routes.account import own_session, session_view
from watchkeeper.web.shapes import SignInLink


@get("/api/people", operation_id="people", opt={"admin": True})
async def people(hall: NamedDependency[Hall]) -> tuple[PersonView, ...]:
    """Everybody who may come in, by name."""
    return tuple(
        PersonView(one.name, one.role, one.created_at, one.entered_at, bool(one.password), bool(one.totp), passkeys, sessions)
        for one, passkeys, sessions in await hall.desk.journal.people.all(hall.now())
    )


@post("/api/people", operation_id="addPerson", status_code=201, opt={"admin": True})
async def add_person(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[NewPerson]) -> None:
    """Somebody new."""
    kept = await hall.door.passwords.hash(data.password, data.name) if data.password else ""
    await hall.desk.journal.people.add(data.name, data.role, asker(request, hall), kept)


@post("/api/people/{name:str}/role", operation_id="setRole", status_code=204, opt={"admin": True})
async def set_role(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str], data: JSONBody[RoleAsk]
) -> None:
    """What a person may do, from their next request on. One admin who can sign in must stay."""
    await hall.desk.journal.people.set_role(name, data.role, asker(request, hall))


@post("/api/people/{name:str}/password", operation_id="setPassword", status_code=204, opt={"admin": True})
async def set_password(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str], data: JSONBody[PasswordAsk]
) -> None:
    """Give a person another password, and end all their sessions."""
    kept = await hall.door.passwords.hash(data.password, name)
    await hall.desk.journal.people.set_password(name, kept, asker(request, hall))


@post("/api/people/{name:str}/reset", operation_id="resetPerson", status_code=204, opt={"admin": True})
async def reset_person(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> None:
    """Take away a person's password, codes, passkeys and sessions: for a lost device. A new link lets them in again."""
    await hall.desk.journal.people.reset(name, asker(request, hall))


@post("/api/people/{name:str}/sign-in-links", operation_id="makeLinkFor", status_code=201, opt={"admin": True})
async def make_link_for(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> SignInLink:
    """A one-time link for a person, good for an hour; it lets in without password and code."""
    return await fresh_link(hall, request, name)


@delete("/api/people/{name:str}", operation_id="removePerson", opt={"admin": True})
async def remove_person(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> None:
    """Somebody may not come in any more; their sessions end. One admin who can sign in must stay."""
    await hall.desk.journal.people.remove(name, asker(request, hall))


@get("/api/sessions", operation_id="sessions", opt={"admin": True})
async def sessions(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> tuple[SessionView, ...]:
    """Who is signed in, the latest heard of first."""
    own = own_session(request)
    return tuple(session_view(one, own) for one in await hall.desk.journal.access.sessions(hall.now()))


@delete("/api/sessions/{identity:str}", operation_id="endSession", opt={"admin": True})
async def end_session(request: Request[Any, Any, Any], hall: NamedDependency[Hall], identity: FromPath[str]) -> None:
    """End anybody's session."""
    if not await hall.desk.journal.access.end_sessions(asker(request, hall), identity=identity):
        raise Refused("there is no such session", code="unknown-session")


@delete("/api/people/{name:str}/sessions", operation_id="endSessionsOf", opt={"admin": True})
async def end_sessions_of(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> None:
    """End all sessions of a person."""
    await hall.desk.journal.access.end_sessions(asker(request, hall), name)


@get("/api/audit", operation_id="audit", opt={"admin": True})
async def audit(
    hall: NamedDependency[Hall], limit: Annotated[int, QueryParameter(ge=1, le=PAGE)] = 100
) -> tuple[AuditView, ...]:
    """Who did what and from where, newest first."""
    return tuple(AuditView(**msgspec.structs.asdict(one)) for one in await hall.desk.journal.audit.newest(limit))


async def fresh_link(hall: Hall, request: Request[Any, Any, Any], person: str, *, own: bool = False) -> SignInLink:
    """A one-time link for `person`, with its audit row, as people elsewhere open it; one's `own` leads to where one is."""
    who = asker(request, hall)
    secret = await hall.desk.journal.access.add_link(who.at, person)
    await hall.desk.journal.audit.add(Entry(who.at, who.name, who.peer, "sign-in-link", person))
    address = hall.address if own and is_loopback(request.url.hostname or "") else hall.outside
    return SignInLink(access.sign_in_url(address, secret), who.at + LINK_LIFE)


ROUTES = [people, add_person, set_role, set_password, reset_person, make_link_for, remove_person]
ROUTES += [sessions, end_session, end_sessions_of, audit]
