"""One-time codes against RFC 6238's own table, around the edges of their time, and what an app is given."""

from __future__ import annotations

import base64

import pyotp
import pytest

from watchkeeper.web import codes

RFC_KEY = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_rfcs_own_codes(seconds: int, code: str) -> None:
    """Appendix B's codes for SHA-1, their last six digits; a step of thirty seconds either way is forgiven, two are not."""
    step = seconds // 30
    for off in (-1, 0, 1):
        assert codes.matching_step(RFC_KEY, code, (seconds + 30 * off) * 1000) == step
    for off in (-2, 2):
        assert codes.matching_step(RFC_KEY, code, (seconds + 30 * off) * 1000) == 0


@pytest.mark.parametrize(
    "code", ["", "28708", "2870820", "28708a", "\uff12\uff18\uff17\uff10\uff18\uff12", "-87082", "287082\x00", "\u00b287082"]
)
def test_what_is_no_code(code: str) -> None:
    """Six plain digits or nothing."""
    assert codes.matching_step(RFC_KEY, code, 59_000) == 0


def test_a_code_may_be_typed_in_groups() -> None:
    """As apps show them."""
    assert codes.matching_step(RFC_KEY, " 287 082 ", 59_000) == 1


def test_an_app_reads_the_key_from_the_address() -> None:
    """What the picture says is what the reckoner of codes was given; keys are 160 bits and never the same."""
    key = codes.fresh_key()
    assert len(base64.b32decode(key)) == 20
    assert key != codes.fresh_key()
    read = pyotp.parse_uri(codes.address(key, "ann", "watch.example.org"))
    assert (read.secret, read.name, read.issuer) == (key, "ann", "Watchkeeper watch.example.org")
    assert codes.picture("otpauth://totp/x").startswith("data:image/svg+xml")
