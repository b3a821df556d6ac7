"""Passkeys (WebAuthn): what the browser is asked for, and whether what it answers is true.

The library does the cryptography; it is loaded with the first ceremony, because it brings 25 MiB that most hubs never need. A
passkey proves a device and, by its PIN or finger, the person before it (`userVerification` is required), so no code is asked
for beside it. It belongs to the host name in the address bar; a bare address has none.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from watchkeeper.errors import Refused
from watchkeeper.journal.people import Passkey

LIFE = 300.0
"""Seconds that a ceremony may take."""
MOST = 256
"""Ceremonies under way; with more, the oldest is forgotten."""


class Ceremony(NamedTuple):
    """What was asked of a browser: for whom (empty: whoever it is), and what it will sign."""

    person: str
    challenge: bytes
    begun: float


class Ceremonies:
    """Those under way; each is taken up once, by the challenge that the browser's answer names."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, Ceremony] = OrderedDict()

    def begin(self, person: str, now: float) -> bytes:
        """A fresh challenge; `now` is monotonic seconds."""
        challenge = secrets.token_bytes(32)
        self._open[challenge] = Ceremony(person, challenge, now)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return challenge

    def take(self, answer: dict[str, Any], person: str, now: float) -> Ceremony:
        """The one that a browser's answer is to; raises `Refused` (``bad-sign-in``) for none, an old one, or another's."""
        found = self._open.pop(_challenge(answer), None)
        if found is None or found.person != person or now - found.begun > LIFE:
            raise Refused("this passkey was not asked for, or too long ago; try again", code="bad-sign-in")
        return found


class Place(NamedTuple):
    """Where the page is: its origin, and the name that passkeys made there belong to."""

    origin: str
    host: str


def place(origin: str) -> Place:
    """The place of a page by its Origin header; raises `Refused` (``no-passkeys``) where browsers allow none."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        secure = parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
        if host and secure:
            return Place(origin, host)
    raise Refused(
        "browsers allow passkeys over https or at http://localhost alone, and for a name, not an address", code="no-passkeys"
    )


def registration(here: Place, person: str, held: Sequence[Passkey], challenge: bytes) -> dict[str, Any]:
    """What ``navigator.credentials.create`` is given, as its JSON form. `held` are those that they have already."""
    import webauthn  # noqa: PLC0415  # with the first ceremony
    from webauthn.helpers import structs  # noqa: PLC0415  # the same

    options = webauthn.generate_registration_options(
        rp_id=here.host,
        rp_name="Watchkeeper",
        user_name=person,
        user_id=person.encode(),
        user_display_name=person,
        challenge=challenge,
        timeout=round(LIFE * 1000),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(one.id)) for one in held],
    )
    return _json(webauthn.options_to_json(options))


def registered(here: Place, ceremony: Ceremony, answer: dict[str, Any], name: str, now: int) -> Passkey:
    """The passkey that a browser has made; raises `Refused` (``bad-passkey``)."""
    import webauthn  # noqa: PLC0415  # with the first ceremony
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415  # the same
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415  # the same

    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=here.host,
            expected_origin=here.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as fault:
        raise Refused(f"this passkey cannot be used: {_words(fault)}", code="bad-passkey") from None
    identity, key = bytes_to_base64url(made.credential_id), bytes_to_base64url(made.credential_public_key)
    return Passkey(identity, ceremony.person, name, key, made.sign_count, now, 0)


def asking(here: Place, challenge: bytes) -> dict[str, Any]:
    """What ``navigator.credentials.get`` is given, as its JSON form: any passkey of this place will do."""
    import webauthn  # noqa: PLC0415  # with the first ceremony
    from webauthn.helpers import structs  # noqa: PLC0415  # the same

    options = webauthn.generate_authentication_options(
        rp_id=here.host,
        challenge=challenge,
        timeout=round(LIFE * 1000),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return _json(webauthn.options_to_json(options))


def proved(here: Place, ceremony: Ceremony, answer: dict[str, Any], passkey: Passkey) -> int:
    """The passkey's counter after it has proved its person; raises `Refused` (``bad-sign-in``) when it has not.

    A counter that did not grow is refused by the library: the key was copied (WebAuthn, 7.2 step 22).
    """
    import webauthn  # noqa: PLC0415  # with the first ceremony
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415  # the same

    try:
        seen = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=here.host,
            expected_origin=here.origin,
            credential_public_key=webauthn.base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise Refused("this passkey does not prove who you are", code="bad-sign-in") from None
    return seen.new_sign_count


def _challenge(answer: dict[str, Any]) -> bytes:
    """The challenge in a browser's answer; empty when there is none."""
    import webauthn  # noqa: PLC0415  # with the first ceremony
    from webauthn.helpers import parse_client_data_json  # noqa: PLC0415  # the same
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415  # the same

    try:
        said = parse_client_data_json(webauthn.base64url_to_bytes(str(answer["response"]["clientDataJSON"])))
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return b""
    return bytes(said.challenge)


def _words(fault: Exception) -> str:
    return str(fault)[:200] or type(fault).__name__


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
