"""What proves oneself beside a password: one-time codes and passkeys, made and taken away by their own person."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from watchkeeper.errors import Refused
from watchkeeper.web import codes, passkeys
from watchkeeper.web.hall import Hall, asker, bearer
from watchkeeper.web.people_shapes import CodeProof, Confirmation, NewCodes, NewPasskey, PasskeyAsk, PasskeyView
from watchkeeper.web.routes.account import confirm

MOST_PENDING = 100


@post("/api/account/codes", operation_id="beginCodes", status_code=200, opt={"own": True})
async def begin_codes(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[Confirmation]) -> NewCodes:
    """A fresh key for an authenticator app; it counts once a code has proved that the app has it."""
    await confirm(request, hall, data.password)
    name, pending = bearer(request).name, hall.door.pending
    person = await hall.desk.journal.people.find(name)
    if person is None or not person.password:
        raise Refused("codes stand beside a password: set one first", code="no-password")
    while len(pending) >= MOST_PENDING:
        pending.pop(next(iter(pending)))
    key = pending[name] = codes.fresh_key()
    address = codes.address(key, name, urlsplit(hall.outside).hostname or "")
    return NewCodes(key, address, codes.picture(address))


@post("/api/account/codes/proof", operation_id="proveCodes", status_code=204, opt={"own": True})
async def prove_codes(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[CodeProof]) -> None:
    """Codes by this key are asked for from now on, beside the password."""
    who, key = asker(request, hall), hall.door.pending.get(bearer(request).name, "")
    if not key:
        raise Refused("ask for a fresh key first", code="no-codes")
    step = codes.matching_step(key, data.code, hall.now())
    if not step:
        raise Refused("this is not the code of the moment; is the device's clock right?", code="bad-code")
    await hall.desk.journal.people.set_totp(who.name, key, step, who)
    hall.door.pending.pop(who.name, None)


@post("/api/account/codes/off", operation_id="removeCodes", status_code=204, opt={"own": True})
async def remove_codes(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[Confirmation]) -> None:
    """No code is asked for any more."""
    await confirm(request, hall, data.password)
    who = asker(request, hall)
    await hall.desk.journal.people.set_totp(who.name, "", 0, who)


@post("/api/account/passkeys/options", operation_id="beginPasskey", status_code=200, opt={"own": True})
async def begin_passkey(
    request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[Confirmation]
) -> PasskeyAsk:
    """What the browser needs to make a passkey for this hub."""
    here = passkeys.place(request.headers.get("origin", ""))
    await confirm(request, hall, data.password)
    name = bearer(request).name
    challenge = hall.door.ceremonies.begin(name, hall.desk.clock.monotonic())
    held = await hall.desk.journal.people.passkeys(name)
    return PasskeyAsk(msgspec.json.encode(passkeys.registration(here, name, held, challenge)).decode())


@post("/api/account/passkeys", operation_id="addPasskey", status_code=201, opt={"own": True})
async def add_passkey(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[NewPasskey]) -> PasskeyView:
    """Keep the passkey that the browser has made: from now on it lets its person in."""
    here, who = passkeys.place(request.headers.get("origin", "")), asker(request, hall)
    answer = read_answer(data.credential)
    ceremony = hall.door.ceremonies.take(answer, who.name, hall.desk.clock.monotonic())
    made = passkeys.registered(here, ceremony, answer, data.name, who.at)
    await hall.desk.journal.people.add_passkey(made, who)
    return PasskeyView(made.id, made.name, made.created_at, made.used_at)


@delete("/api/account/passkeys/{identity:str}", operation_id="removePasskey", opt={"own": True})
async def remove_passkey(request: Request[Any, Any, Any], hall: NamedDependency[Hall], identity: FromPath[str]) -> None:
    """A passkey of one's own opens nothing any more."""
    who = asker(request, hall)
    await hall.desk.journal.people.remove_passkey(who.name, identity, who)


def read_answer(text: str) -> dict[str, Any]:
    """A browser's credential; raises `Refused` (``bad-passkey``) when it is none."""
    try:
        found: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise Refused("this is not what a browser answers", code="bad-passkey") from None
    return found


ROUTES = [begin_codes, prove_codes, remove_codes, begin_passkey, add_passkey, remove_passkey]
