"""What the network raises becomes a stable code, and each code is somebody's word."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from watchkeeper.stress.faults import Code, blame, of_connecting, of_socket, status


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "reset"),
        (TimeoutError(), "connect-timeout"),
        (OSError(errno.ETIMEDOUT, "x"), "connect-timeout"),
        (OSError(errno.EMFILE, "x"), "no-descriptor"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "no-port"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (socket.gaierror(-2, "x"), "unreachable"),
        (ssl.SSLError(1, "x"), "tls"),
        (ValueError("x"), "broken"),
    ],
)
def test_of_connecting(fault: BaseException, code: str) -> None:
    """Whatever can go wrong with a connection has one code."""
    assert of_connecting(fault) == code


def test_of_a_connection_that_was_there() -> None:
    """An orderly end is told from a reset, and nothing there is called a connect."""
    assert of_socket(None) == "closed"
    assert of_socket(ConnectionResetError(errno.ECONNRESET, "x")) == "reset"
    assert of_socket(OSError(errno.ETIMEDOUT, "x")) == "timeout"


def test_every_code_is_somebodys_word() -> None:
    """The server said no, nobody answered, the answer was wrong, or it is our own limit."""
    assert {code: blame(code) for code in Code}.keys() == set(Code)
    assert [blame(one) for one in (status(503), "rejected-mailbox-full", "closed-1013")] == ["said-no"] * 3
    assert blame(Code.TIMEOUT) == "nobody"
    assert blame(Code.CORRUPT) == blame("what") == "wrong"
    assert blame(Code.NO_PORT) == "ours"
