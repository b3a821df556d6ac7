"""Who asks: session cookies and bearer tokens, what each role may do, and how often one may fail.

People come in by a one-time link (`sign_in_url`), by password and code, or by a passkey (`entering`), and carry a cookie that
scripts cannot read; programs send a token.
`local_token` leaves one on this machine for the CLI. Secrets are compared by digest in the journal and never logged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from watchkeeper.errors import Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.access import SESSION_LIFE, Bearer
from watchkeeper.keyfile import kept_secret
from watchkeeper.model import TokenKind

COOKIE = "watchkeeper_session"
SECRET_CHARS = 200
"""No secret of ours is longer; anything beyond is not even looked up."""

READERS = frozenset({"admin", "operator", "viewer"})
ACTORS = frozenset({"admin", "operator"})
WRITERS = frozenset({"admin", "write"})
"""Who may write figures: programs with a token of that kind, which may do nothing else."""


class Failures:
    """Counts failed sign-ins by peer: after `allowed` within `window` seconds, the peer waits for the window to end.

    What takes long to check is counted before it is known to have failed, and taken back by `forgive`: else a thousand guesses
    at once would all pass.
    """

    ALLOWED = 10
    WINDOW = 60.0
    PEERS = 1024

    def __init__(self, allowed: int = ALLOWED, window: float = WINDOW) -> None:
        self._allowed = allowed
        self._window = window
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, peer: str, now: float) -> float:
        """How many seconds this peer must wait before it may try; 0 = it may."""
        since, count = self._seen.get(peer, (now, 0))
        return max(0.0, since + self._window - now) if count >= self._allowed else 0.0

    def add(self, peer: str, now: float) -> None:
        """One more failure; the longest unheard peer is forgotten when there are too many."""
        since, count = self._seen.pop(peer, (now, 0))
        self._seen[peer] = (since, count + 1) if now - since < self._window else (now, 1)
        while len(self._seen) > self.PEERS:
            self._seen.popitem(last=False)

    def forgive(self, peer: str) -> None:
        """The last one counted was none."""
        since, count = self._seen.get(peer, (0.0, 0))
        if count > 1:
            self._seen[peer] = (since, count - 1)
        else:
            self._seen.pop(peer, None)


def bearer_secret(authorization: str) -> str:
    """The token of an ``Authorization`` header, ``Bearer`` or the password of ``Basic``; empty when it is something else."""
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() == "basic" and len(secret) <= 2 * SECRET_CHARS:
        return _password(secret)
    return secret if scheme.lower() == "bearer" and len(secret) <= SECRET_CHARS else ""


def _password(encoded: str) -> str:
    """What stands behind the first colon (RFC 7617); the name before it is anybody's."""
    try:
        secret = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")[2]
    except ValueError:
        return ""
    return secret if len(secret) <= SECRET_CHARS else ""


def cookie_secret(header: str) -> str:
    """The session of a ``Cookie`` header; empty when there is none."""
    if COOKIE not in header or len(header) > 8192:
        return ""
    cookies: SimpleCookie = SimpleCookie()
    with contextlib.suppress(CookieError):
        cookies.load(header)
    secret = cookies[COOKIE].value if COOKIE in cookies else ""
    return secret if len(secret) <= SECRET_CHARS else ""


def cookie(secret: str, *, secure: bool) -> str:
    """The ``Set-Cookie`` of a session; an empty `secret` takes it away."""
    age = SESSION_LIFE // 1000 if secret else 0
    return f"{COOKIE}={secret}; Max-Age={age}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


async def identify(journal: Journal, authorization: str, cookies: str, now: int) -> tuple[Bearer | None, bool]:
    """Who asks, and whether a cookie says so. A token that is shown is used, right or wrong: no falling back."""
    if authorization:
        secret = bearer_secret(authorization)
        return (await journal.access.token(secret, now) if secret else None), False
    secret = cookie_secret(cookies)
    bearer = await journal.access.session(secret, now) if secret else None
    return bearer, bearer is not None


def permit(bearer: Bearer | None, *, acts: bool, admin: bool = False) -> Bearer:
    """Let somebody read (or act); raises `Refused` (``not-signed-in``, ``not-allowed``) with the reason."""
    if bearer is None:
        raise Refused("nobody is signed in", code="not-signed-in")
    wanted = frozenset({"admin"}) if admin else ACTORS if acts else READERS
    if bearer.role not in wanted:
        raise Refused(f"the role {bearer.role!r} may not do this", code="not-allowed")
    return bearer


def permit_person(bearer: Bearer | None) -> Bearer:
    """Let somebody change what is their own; raises `Refused` as `permit` does. A program has nothing of its own."""
    permit(bearer, acts=False)
    assert bearer is not None
    if bearer.token:
        raise Refused("a token is no person: sign in to change what is yours", code="not-allowed")
    return bearer


def permit_writing(bearer: Bearer | None) -> Bearer:
    """Let a program write figures; raises `Refused` as `permit` does."""
    if bearer is None:
        raise Refused("a token must be shown to write figures", code="not-signed-in")
    if bearer.role not in WRITERS:
        raise Refused(f"the role {bearer.role!r} may not write figures", code="not-allowed")
    return bearer


def permit_socket(bearer: Bearer | None, path: str) -> None:
    """Let a WebSocket in: agents with their own kind of token on ``/link``, readers on ``/live``; raises `Refused`."""
    if path != "/link":
        permit(bearer, acts=path.startswith("/api/"))  # below it a socket has load made, which only who may act may
    elif bearer is None:
        raise Refused("an agent must show a link token", code="not-signed-in")
    elif not bearer.token or bearer.role != "link":
        raise Refused("this is not a link token", code="not-allowed")


async def local_token(journal: Journal, file: Path, name: str, kind: TokenKind, now: int) -> str:
    """The token in `file` (made with mode 0600 if absent), known to the journal from now on under `name`.

    Raises `Failed` when the file cannot be read or written. A file that others may read is closed to them.
    """
    secret = await asyncio.to_thread(kept_secret, file)
    await journal.access.put_token(name, kind, secret, now)
    return secret


def sign_in_url(address: str, secret: str) -> str:
    """The link that a person opens: the secret is a fragment, so no server, proxy or log on the way sees it."""
    return f"{address}/sign-in#{secret}"
