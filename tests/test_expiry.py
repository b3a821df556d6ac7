"""When a certificate ends is read from its own bytes, as openssl tells it, and no garbage can break the reader."""

from __future__ import annotations

import random
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from watchkeeper.expiry import ends_at

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def made(folder: Path, days: int) -> bytes:
    """A certificate that ends in so many days, as DER."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        str(days),
    ]
    command += ["-subj", "/CN=somebody with a long name, ü", "-keyout", str(folder / "key"), "-out", str(folder / "pem")]
    subprocess.run(command, check=True, capture_output=True)
    return ssl.PEM_cert_to_DER_cert((folder / "pem").read_text())


@pytest.mark.parametrize("days", [1, 400, 20_000])
def test_it_is_what_openssl_says(tmp_path: Path, days: int) -> None:
    """Also beyond 2050, where dates are written otherwise."""
    found = ends_at(made(tmp_path, days))
    told = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "pem"), "-noout", "-enddate"], capture_output=True, text=True, check=True
    )
    assert found == ssl.cert_time_to_seconds(told.stdout.strip().removeprefix("notAfter="))


def test_garbage_ends_never(tmp_path: Path) -> None:
    """Cut off anywhere, or with bytes turned: a number, never a fault."""
    whole = made(tmp_path, 2)
    chance = random.Random(1)
    for length in range(len(whole)):
        assert ends_at(whole[:length]) == 0.0
    for _ in range(3000):
        spoiled = bytearray(whole)
        spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        assert ends_at(bytes(spoiled)) >= -1e11
