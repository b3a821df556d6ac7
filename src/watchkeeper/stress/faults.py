"""What can become of an operation that did not end well: stable codes, and whose word each is.

A target that refuses, resets, answers late, wrongly, partially or never is data: leaves turn what the network raises into a
code here (`of_connecting`, `of_socket`), and only what is none of these is a mistake of a leaf's own.
"""

from __future__ import annotations

import errno
import socket
import ssl
from enum import StrEnum
from typing import Literal

Blame = Literal["said-no", "nobody", "wrong", "ours"]
"""The server said no · nobody answered · the answer was wrong · the generator's own limit."""


class Code(StrEnum):
    """The codes that have no number or word of the target's in them."""

    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    CONNECT_TIMEOUT = "connect-timeout"
    TIMEOUT = "timeout"
    UNENDED = "unended"
    UNREACHABLE = "unreachable"
    UPGRADE = "upgrade"
    TLS = "tls"
    PROTOCOL = "protocol"
    CORRUPT = "corrupt"
    NO_DESCRIPTOR = "no-descriptor"
    NO_PORT = "no-port"
    NO_MEMORY = "no-memory"
    BROKEN = "broken"
    ABORTED = "aborted"
    CUT = "cut"


class Failure(Exception):
    """What a leaf raises where it knows the code itself."""

    def __init__(self, code: str, text: str = "") -> None:
        """`text` is a sample for a person."""
        super().__init__(text or code)
        self.code = code


_BLAME: dict[str, Blame] = {
    Code.REFUSED: "nobody",
    Code.RESET: "nobody",
    Code.CLOSED: "nobody",
    Code.CONNECT_TIMEOUT: "nobody",
    Code.TIMEOUT: "nobody",
    Code.UNENDED: "nobody",
    Code.UNREACHABLE: "nobody",
    Code.UPGRADE: "said-no",
    Code.TLS: "wrong",
    Code.PROTOCOL: "wrong",
    Code.CORRUPT: "wrong",
    Code.NO_DESCRIPTOR: "ours",
    Code.NO_PORT: "ours",
    Code.NO_MEMORY: "ours",
    Code.BROKEN: "ours",
    Code.ABORTED: "ours",
    Code.CUT: "ours",
}

_BY_NUMBER = {
    errno.ECONNREFUSED: Code.REFUSED,
    errno.ECONNRESET: Code.RESET,
    errno.ECONNABORTED: Code.RESET,
    errno.EPIPE: Code.RESET,
    errno.ETIMEDOUT: Code.CONNECT_TIMEOUT,
    errno.ENETUNREACH: Code.UNREACHABLE,
    errno.EHOSTUNREACH: Code.UNREACHABLE,
    errno.ENETDOWN: Code.UNREACHABLE,
    errno.EMFILE: Code.NO_DESCRIPTOR,
    errno.ENFILE: Code.NO_DESCRIPTOR,
    errno.EADDRNOTAVAIL: Code.NO_PORT,
    errno.EADDRINUSE: Code.NO_PORT,
    errno.ENOBUFS: Code.NO_MEMORY,
    errno.ENOMEM: Code.NO_MEMORY,
}


def blame(code: str) -> Blame:
    """Whose word a code is; one that is not known counts as a wrong answer."""
    if code.startswith(("status-", "rejected-", "closed-")):
        return "said-no"
    return _BLAME.get(code, "wrong")


def of_connecting(fault: BaseException) -> str:
    """The code of what was raised while a connection was being made."""
    if isinstance(fault, Failure):
        return fault.code
    if isinstance(fault, ssl.SSLError):
        return Code.TLS
    if isinstance(fault, socket.gaierror):
        return Code.UNREACHABLE
    if isinstance(fault, TimeoutError) and fault.errno is None:
        return Code.CONNECT_TIMEOUT
    if isinstance(fault, OSError):
        return _BY_NUMBER.get(fault.errno or 0, Code.CLOSED)
    return Code.BROKEN


def of_socket(fault: BaseException | None) -> str:
    """The code of how a connection ended that was there: None is an orderly end."""
    if fault is None:
        return Code.CLOSED
    if isinstance(fault, ssl.SSLError):
        return Code.TLS
    found = of_connecting(fault)
    return Code.TIMEOUT if found == Code.CONNECT_TIMEOUT else found


def status(number: int) -> str:
    """The code of an HTTP status that was not expected."""
    return f"status-{number}"
