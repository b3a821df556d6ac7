"""One-time codes as authenticator apps show them (TOTP, RFC 6238): six digits, thirty seconds, SHA-1.

Pure but for fresh keys: the instant is given. Which step a code is of is told, so that the journal lets none work twice.
"""

from __future__ import annotations

import hmac

import pyotp
import segno

STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1
"""Steps that a device's clock may be off, either way."""


def fresh_key() -> str:
    """A new person's key: 160 random bits in base32."""
    return pyotp.random_base32()


def matching_step(key: str, code: str, at: int) -> int:
    """The step that `code` is of, around the instant `at` (ms); 0 when it is none. Spaces in it are nothing."""
    digits = "".join(code.split())
    if len(digits) != DIGITS or not digits.isascii() or not digits.isdigit():
        return 0
    now, reckoner = at // 1000 // STEP_SECONDS, pyotp.TOTP(key, digits=DIGITS, interval=STEP_SECONDS)
    found = 0
    for step in range(max(0, now - DRIFT), now + DRIFT + 1):  # all of them, so that time does not tell which it was
        if hmac.compare_digest(reckoner.generate_otp(step), digits):
            found = step
    return found


def address(key: str, person: str, hub: str) -> str:
    """What an app reads from the picture: ``otpauth://totp/…``."""
    return pyotp.TOTP(key, digits=DIGITS, interval=STEP_SECONDS).provisioning_uri(
        name=person, issuer_name=f"Watchkeeper {hub}".strip()
    )


def picture(text: str) -> str:
    """A QR code as a data address of an SVG, dark on white: scanners want it so in a dark theme too."""
    uri: str = segno.make(text, error="m", micro=False).svg_data_uri(scale=4, border=4, dark="#000", light="#fff")
    return uri
