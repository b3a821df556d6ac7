"""What an examination is given and what it finds, as values; and how a finding is made fit for strangers."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

T = TypeVar("T")
Result = Literal["pass", "warn", "fail", "skip"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `remedy` is what to do, empty where nothing is to be done."""

    name: str
    result: Result
    text: str
    remedy: str = ""


class Asked(Protocol):
    """A hub that can be asked (`cli.client.Hub`)."""

    def ask(self, method: str, path: str, wanted: type[T]) -> T:
        """One request; raises Refused or Failed with what to do."""
        ...

    def ready(self) -> str:
        """Empty when it can keep what comes in; else why not."""
        ...


class Patient(msgspec.Struct, frozen=True):
    """The installation: where its data and configuration are, the decoded settings, and how to reach its hub.

    `settings` is None where the configuration cannot be used, and `fault` says why then; `asked` is None where no hub can be
    found, and `silence` says why. With `test` each channel is tried by a message of its own.
    """

    data: Path
    config: Path | None
    settings: Any = None
    fault: str = ""
    asked: Asked | None = None
    silence: str = ""
    test: bool = False


_ADDRESS = re.compile(r"\b(?!127\.)(?:\d{1,3}\.){3}\d{1,3}\b")
_TOKEN = re.compile(r"\b[A-Za-z0-9_-]{32,}\b")
_URL_SECRET = re.compile(r"(//)[^/@\s]+@")


def redact(text: str, home: Path, host: str = "") -> str:
    """Without this computer's name, people's folders, addresses beyond loopback, and anything long enough to be a secret."""
    text = _URL_SECRET.sub(r"\1…@", text)
    text = text.replace(str(home), "~") if len(home.parts) > 1 else text
    host = host or socket.gethostname()
    for name in (host, host.partition(".")[0]):
        if len(name) > 1:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "<this host>", text)
    return _TOKEN.sub("<long word>", _ADDRESS.sub("<address>", text))
