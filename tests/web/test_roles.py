"""Who may do what: every route of the OpenAPI document, asked by everybody there is, against one table."""

from __future__ import annotations

import re

import httpx
import pytest

from watchkeeper.journal.access import Asker, Entrance, new_secret
from watchkeeper.web.access import COOKIE

OPEN = {
    "alive",
    "ready",
    "signIn",
    "signInByPassword",
    "askPasskey",
    "signInByPasskey",
    "signOut",
    "status",
    "runbook",
    "ping",
    "pingHead",
    "pingPost",
    "pingWithWord",
    "pingHeadWithWord",
    "pingPostWithWord",
}
"""Nobody needs to be signed in: what lets in, what tells that we live, what is made to be public, and what jobs say."""
OWN = {
    "account",
    "keepSession",
    "changeOwnPassword",
    "endOwnSession",
    "endOtherSessions",
    "beginCodes",
    "proveCodes",
    "removeCodes",
    "beginPasskey",
    "addPasskey",
    "removePasskey",
}
"""Every person, for themselves; no program."""
ADMIN = {
    "people",
    "addPerson",
    "setRole",
    "setPassword",
    "resetPerson",
    "makeLinkFor",
    "removePerson",
    "sessions",
    "endSession",
    "endSessionsOf",
    "audit",
    "tokens",
    "addToken",
    "revokeToken",
    "makeSignInLink",
}
READ_BY_POST = {"testRule", "checkRules"}
"""Questions too long for an address: they change nothing."""
WRITE = {"write"}
"""Programs that hand figures in, and admins."""
EVERYBODY = ("nobody", "link", "write", "viewer", "operator", "admin", "token of a viewer", "token of an admin")
SAFE = {"get", "head"}


def may(operation: str, method: str, path: str) -> set[str]:
    """Who of `EVERYBODY` may use a route: all that a reader of the API must know."""
    people, readers = {"viewer", "operator", "admin"}, {"viewer", "operator", "admin", "token of a viewer", "token of an admin"}
    if operation in OPEN:
        return set(EVERYBODY)
    if operation in OWN:
        return people
    if operation in ADMIN:
        return {"admin", "token of an admin"}
    if operation in WRITE:
        return {"write", "admin", "token of an admin"}
    if method in SAFE or operation in READ_BY_POST or path.startswith("/api/v1/") or operation.startswith("federate"):
        return readers
    return {"operator", "admin", "token of an admin"}


async def entrances(web) -> dict[str, dict[str, str]]:
    """The headers by which each of `EVERYBODY` comes."""
    journal, now = web.desk.journal, web.desk.now()
    who = Asker("local", "", now)
    found: dict[str, dict[str, str]] = {"nobody": {}}
    for kind, name in (("link", "link"), ("write", "write"), ("viewer", "token of a viewer"), ("admin", "token of an admin")):
        secret = new_secret()
        await journal.access.add_token(f"{kind}-token", kind, secret, who)
        found[name] = {"authorization": f"Bearer {secret}"}
    await journal.people.add("spare", "admin", who)
    await journal.people.enter("spare", Entrance(), now)
    for role in ("viewer", "operator", "admin"):
        await journal.people.add(role, role, who)
        secret, _ = await journal.people.enter(role, Entrance(), now)
        found[role] = {"cookie": f"{COOKIE}={secret}", "origin": web.url}
    return found


async def test_every_route_asks_for_its_role(web) -> None:
    """Each route of the document lets in whom the table says, and turns away all others before it looks at what they ask."""
    coming = await entrances(web)
    wrong = []
    async with web.stranger() as client:
        document = (await client.get("/api/openapi.json")).json()
        routes = [
            (operation["operationId"], method, path)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        ]
        named = {operation for operation, _, _ in routes}
        assert not (OPEN | OWN | ADMIN | READ_BY_POST | WRITE) - named, "the table names a route that has gone"
        for operation, method, path in sorted(routes, key=lambda route: route[0] == "signOut"):  # the last that one does
            allowed = may(operation, method, path)
            for name in EVERYBODY:
                answer = await ask(client, method, path, coming[name])
                if (answer.status_code in {401, 403}) == (name in allowed):
                    wrong.append(f"{name}: {method.upper()} {path} ({operation}): {answer.status_code} {answer.text[:80]}")
    assert not wrong, "\n".join(wrong)


async def ask(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """One request to a route with something in place of each parameter, which is nothing that there is."""
    client.cookies.clear()  # what an answer before has brought would speak for whoever asks now
    address = re.sub(r"\{[^}]+\}", "nothing", path)
    if path.startswith("/api/v1/") and path != "/api/v1/write" and method == "post":
        return await client.request(method, address, headers=headers, data={"nothing": "x"})
    body = {} if method in {"post", "put", "patch"} else None
    return await client.request(method, address, headers=headers, json=body)


@pytest.mark.parametrize("name", ["nobody", "viewer", "operator"])
async def test_no_role_takes_itself_more(web, name: str) -> None:
    """Neither by the route for roles nor by making people, tokens, links or resets does anybody but an admin get further."""
    coming = await entrances(web)
    asks = [
        ("/api/people/viewer/role", {"role": "admin"}),
        ("/api/people", {"name": "mallory", "role": "admin", "password": "correct horse battery"}),
        ("/api/people/admin/password", {"password": "correct horse battery"}),
        ("/api/people/admin/reset", {}),
        ("/api/people/admin/sign-in-links", {}),
        ("/api/tokens", {"name": "mine", "kind": "admin"}),
        ("/api/sign-in-links", {}),
    ]
    async with web.stranger() as client:
        for path, body in asks:
            assert (await client.post(path, json=body, headers=coming[name])).status_code in {401, 403}, path
    roles = {one.person.name: one.person.role for one in await web.desk.journal.people.all(web.desk.now())}
    assert roles == {"spare": "admin", "viewer": "viewer", "operator": "operator", "admin": "admin"}
