"""A connection before its login: who we are, what the client has to sign, and whether it has. Pure: no clock, no socket.

`connection` makes one for each newcomer and drops it with the welcome; its deadline bounds how long a stranger costs anything.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Collection

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.keys import Identity, login_text, verify, welcome_text
from cloudnet.packets import KEY_BYTES, NONCE_BYTES, VERSION, Challenge, Login

GREETING_SECONDS = 5.0
"""How long a connection may take to prove who it is."""


class Greeting:
    """A connection before its login: GREETING until `check` is content or the deadline has come."""

    def __init__(self, server: Identity, now: float, certificate: bytes = b"") -> None:
        """`certificate`: SHA-256 of our TLS certificate, empty where somebody else ends TLS or nobody does."""
        self._server = server
        self._certificate = certificate
        self._nonce = os.urandom(NONCE_BYTES)
        self.deadline = now + GREETING_SECONDS

    def challenge(self, wall: int) -> Challenge:
        """The first word; `wall` in ms since the epoch."""
        return Challenge(VERSION, self._server.key, self._nonce, wall)

    def check(self, login: Login, authority: str, names: Collection[str] = ()) -> None:
        """Raises Refused unless it is proved, here and now; `authority` is the Host that the client's handshake named.

        Whoever connects chooses that, so a login may have been signed for another server and passed on by it: `names`, where
        they are known, are ours, in small letters.
        """
        if len(login.key) != KEY_BYTES or len(login.nonce) != NONCE_BYTES:
            raise Refused("a login has a key and a nonce of 32 bytes each", Code.MALFORMED)
        if login.authority.lower() != authority.lower():
            raise Refused(
                f"the login was signed for {login.authority[:80]!r}, which is not how you reached us", Code.WRONG_SERVER
            )
        if names and authority.lower() not in names:
            raise Refused(f"{authority[:80]!r} is no name of ours: the login was signed for another server", Code.WRONG_SERVER)
        if self._certificate and not hmac.compare_digest(login.certificate, self._certificate):
            raise Refused("the login was signed for another TLS certificate than ours", Code.WRONG_SERVER)
        if len(login.certificate) not in {0, 32}:
            raise Refused("a certificate's SHA-256 has 32 bytes", Code.MALFORMED)
        nonce, certificate = login.nonce, login.certificate
        text = login_text(
            self._server.key, self._nonce, login.key, nonce, login.authority, certificate, takeover=login.takeover
        )
        verify(login.key, text, login.signature)

    def sign(self, login: Login, epoch: bytes) -> bytes:
        """Our proof for the client."""
        return self._server.sign(welcome_text(self._server.key, self._nonce, login.key, login.nonce, epoch))
