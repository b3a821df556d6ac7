"""Tokens for programs: made, listed and taken back. A token of the kind `link` is what lets another machine's agent join."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from watchkeeper.journal.access import LOCAL_TOKENS, new_secret
from watchkeeper.web.hall import Hall, asker
from watchkeeper.web.people_shapes import MadeToken, NewToken, TokenView

DAY = 86_400_000


@get("/api/tokens", operation_id="tokens", opt={"admin": True})
async def tokens(hall: NamedDependency[Hall]) -> tuple[TokenView, ...]:
    """All tokens, by name; never their secrets."""
    known = await hall.desk.journal.access.tokens()
    return tuple(TokenView(**msgspec.structs.asdict(one), local=one.name in LOCAL_TOKENS) for one in known)


@post("/api/tokens", operation_id="addToken", status_code=201, opt={"admin": True})
async def add_token(request: Request[Any, Any, Any], hall: NamedDependency[Hall], data: JSONBody[NewToken]) -> MadeToken:
    """A fresh token. Its secret is in this answer and nowhere else."""
    who, secret = asker(request, hall), new_secret()
    ends = who.at + round(data.days * DAY) if data.days else 0
    await hall.desk.journal.access.add_token(data.name, data.kind, secret, who, ends)
    return MadeToken(data.name, data.kind, secret, ends)


@delete("/api/tokens/{name:str}", operation_id="revokeToken", opt={"admin": True})
async def revoke_token(request: Request[Any, Any, Any], hall: NamedDependency[Hall], name: FromPath[str]) -> None:
    """Take a token back: whoever shows it is nobody from now on, and streams that it opened end within half a minute."""
    await hall.desk.journal.access.revoke_token(name, asker(request, hall))


ROUTES = [tokens, add_token, revoke_token]
