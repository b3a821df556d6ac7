"""Certificates for 127.0.0.1 and localhost, made by openssl, and the contexts that trust them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Two PEM files."""

    certificate: str
    key: str

    def trusted(self) -> ssl.SSLContext:
        """A client's context that trusts this one and no other."""
        return ssl.create_default_context(cafile=self.certificate)

    def served(self) -> ssl.SSLContext:
        """A server's context that shows it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def made(folder: Path, name: str) -> Certificate:
    """A fresh one, signed by itself."""
    found = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-out", found.certificate, "-keyout", found.key], check=True, capture_output=True)
    return found
