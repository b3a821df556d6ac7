"""Coming in and going out: who am I; sign in by a one-time link, a password or a passkey; sign out; a fresh link."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from watchkeeper.errors import Refused
from watchkeeper.journal.access import FIRST_PERSON, Bearer, Entrance
from watchkeeper.web import access, passkeys
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.people_shapes import PasskeyAsk, PasskeyProof, SignInByPassword
from watchkeeper.web.routes.people import fresh_link
from watchkeeper.web.routes.proving import read_answer
from watchkeeper.web.shapes import Person, SignIn, SignInLink


@get("/api/session", operation_id="session", sync_to_thread=False)
def session(request: Request[Any, Any, Any]) -> Person:
    """Who is signed in."""
    who = bearer(request)
    return Person(who.name, who.role)


@post("/api/session", operation_id="keepSession", status_code=200, opt={"own": True}, sync_to_thread=False)
def keep_session(request: Request[Any, Any, Any]) -> Response[Person]:
    """Prolong the session and its cookie. A page that stays open does so now and then: cookies end by the browser's clock."""
    return _welcome(request, access.cookie_secret(request.headers.get("cookie", "")), bearer(request))


@post("/api/sign-in", operation_id="signIn", status_code=200, opt={"open": True})
async def sign_in(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[SignIn]) -> Response[Person]:
    """Turn the secret of a one-time link into a session cookie."""
    here, monotonic = _entrance(request), hall.desk.clock.monotonic()
    hall.door.may_try(monotonic, here.peer)
    try:
        secret = data.token[: access.SECRET_CHARS]
        came = await hall.desk.journal.access.redeem(secret, hall.now(), here.peer, here.browser)
    except Refused:
        hall.door.failures.add(here.peer, monotonic)
        raise
    return _welcome(request, *came)


@post("/api/sign-in/password", operation_id="signInByPassword", status_code=200, opt={"open": True})
async def sign_in_by_password(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[SignInByPassword]
) -> Response[Person]:
    """Turn name and password into a session cookie; 401 with `code-wanted` where a one-time code is needed as well."""
    said = data.name, data.password, data.code
    return _welcome(request, *await hall.door.by_password(hall.desk, said, _entrance(request), hall.now()))


@post("/api/sign-in/passkey/options", operation_id="askPasskey", status_code=200, opt={"open": True}, sync_to_thread=False)
def ask_passkey(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> PasskeyAsk:
    """What the browser needs to ask for a passkey of this hub, whoever's it is."""
    here, monotonic = passkeys.place(request.headers.get("origin", "")), hall.desk.clock.monotonic()
    hall.door.may_try(monotonic, peer(request))
    challenge = hall.door.ceremonies.begin("", monotonic)
    return PasskeyAsk(msgspec.json.encode(passkeys.asking(here, challenge)).decode())


@post("/api/sign-in/passkey", operation_id="signInByPasskey", status_code=200, opt={"open": True})
async def sign_in_by_passkey(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[PasskeyProof]
) -> Response[Person]:
    """Turn a passkey's signature into a session cookie."""
    here, answer = passkeys.place(request.headers.get("origin", "")), read_answer(data.credential)
    return _welcome(request, *await hall.door.by_passkey(hall.desk, here, answer, _entrance(request), hall.now()))


@post("/api/sign-out", operation_id="signOut", status_code=200, opt={"open": True})
async def sign_out(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> Response[None]:
    """End the session; harmless without one."""
    if secret := access.cookie_secret(request.headers.get("cookie", "")):
        await hall.desk.journal.access.end_session(secret)
    return Response(None, headers={"set-cookie": access.cookie("", secure=_is_https(request))})


@post("/api/sign-in-links", operation_id="makeSignInLink", status_code=201, opt={"admin": True})
async def make_sign_in_link(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> SignInLink:
    """A fresh one-time link, good for an hour: for the admin who asks, or, asked for with a token, for the first one."""
    who = bearer(request)
    return await fresh_link(hall, request, FIRST_PERSON if who.token else who.name, own=True)


def _entrance(request: Request[Any, Any, Any]) -> Entrance:
    browser = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Entrance(peer=peer(request), browser=browser)


def _welcome(request: Request[Any, Any, Any], secret: str, who: Bearer) -> Response[Person]:
    return Response(Person(who.name, who.role), headers={"set-cookie": access.cookie(secret, secure=_is_https(request))})


def _is_https(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser came by https, also where a proxy took it off: its page's origin tells."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


ROUTES = [session, keep_session, sign_in, sign_in_by_password, ask_passkey, sign_in_by_passkey, sign_out, make_sign_in_link]
