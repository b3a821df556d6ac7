"""Coming in and going out: who am I, sign in by a one-time secret, sign out, and a fresh link for an admin."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from watchkeeper.errors import Refused
from watchkeeper.journal.access import LINK_LIFE
from watchkeeper.journal.audit import Entry
from watchkeeper.web import access
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.shapes import Person, SignIn, SignInLink


@get("/api/session", operation_id="session", sync_to_thread=False)
def session(request: Request[Any, Any, Any]) -> Person:
    """Who is signed in."""
    who = bearer(request)
    return Person(who.name, who.role)


@post("/api/sign-in", operation_id="signIn", status_code=200, opt={"open": True})
async def sign_in(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[SignIn]) -> Response[Person]:
    """Turn the secret of a one-time link into a session cookie."""
    monotonic = hall.desk.clock.monotonic()
    if wait := hall.failures.wait(peer(request), monotonic):
        raise Refused(f"too many failed sign-ins; try again in {wait:.0f} s", code="too-many-failures")
    try:
        secret, who = await hall.desk.journal.access.redeem(data.token[: access.SECRET_CHARS], hall.now(), peer(request))
    except Refused:
        hall.failures.add(peer(request), monotonic)
        raise
    return Response(Person(who.name, who.role), headers={"set-cookie": access.cookie(secret, secure=_is_https(request))})


@post("/api/sign-out", operation_id="signOut", status_code=200, opt={"open": True})
async def sign_out(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[None]:
    """End the session; harmless without one."""
    if secret := access.cookie_secret(request.headers.get("cookie", "")):
        await hall.desk.journal.access.end_session(secret)
    return Response(None, headers={"set-cookie": access.cookie("", secure=_is_https(request))})


@post("/api/sign-in-links", operation_id="makeSignInLink", status_code=201, opt={"admin": True})
async def make_sign_in_link(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> SignInLink:
    """A fresh one-time link, good for an hour."""
    now = hall.now()
    secret = await hall.desk.journal.access.add_link(now)
    await hall.desk.journal.audit.add(Entry(now, bearer(request).name, peer(request), "sign-in-link", ""))
    return SignInLink(access.sign_in_url(hall.address, secret), now + LINK_LIFE)


def _is_https(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser came by https, also where a proxy took it off: its page's origin tells."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


ROUTES = [session, sign_in, sign_out, make_sign_in_link]
