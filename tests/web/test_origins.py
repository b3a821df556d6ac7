"""Only our own names may be asked for, and only our own pages may ask."""

from __future__ import annotations

import socket

import pytest

from watchkeeper.web.origins import host_fault, is_loopback, origin_fault, own_names

LOOPBACK = own_names("127.0.0.1", ("watch.example.org", "Upper.Example"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8600",
        "127.0.0.1",
        "localhost",
        "LOCALHOST:1",
        "[::1]:8600",
        "127.9.9.9",
        "watch.example.org:443",
        "upper.example",
    ],
)
def test_our_names_pass(host: str) -> None:
    """Loopback by any name and port, and what the operator configured."""
    assert host_fault(host, LOOPBACK, loopback_only=True) == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8600",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example, 127.0.0.1",
        "127.0.0.1, 127.0.0.1",
        "user@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1:8600:1",
        "127.0.0.1:",
        "127.0.0.1:999999",
        "[::1",
        "::1",
        "[]",
        "10.0.0.1",
        "[2001:db8::1]",
        "0x7f.1",
        "2130706433",
        "localhost\n",
        " localhost",
        "\uff4cocalhost",
        "a" * 300,
    ],
)
def test_foreign_and_malformed_names_do_not(host: str) -> None:
    """A name that an attacker can point at us never passes as ours, nor does what only looks like one."""
    assert host_fault(host, LOOPBACK, loopback_only=True) != ""


def test_beyond_loopback_addresses_and_our_own_name_pass() -> None:
    """An address cannot be rebound; a name still can."""
    names = own_names("0.0.0.0", ())
    for host in ("10.0.0.1:8600", "[2001:db8::1]:8600", "127.0.0.1", socket.gethostname().upper()):
        assert host_fault(host, names, loopback_only=False) == ""
    assert host_fault("evil.example", names, loopback_only=False)


@pytest.mark.parametrize(("host", "alone"), [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True)])
def test_loopback(host: str, alone: bool) -> None:
    """What only this machine can reach."""
    assert is_loopback(host) is alone


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_not_loopback(host: str) -> None:
    """What others may reach, or may be."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8600", "127.0.0.1:8600"),
        ("http://LOCALHOST:8600", "localhost:8600"),
        ("https://watch.example.org", "watch.example.org"),
        ("https://watch.example.org", "watch.example.org:443"),
        ("http://watch.example.org:80", "watch.example.org"),
        ("http://[::1]:8600", "[::1]:8600"),
    ],
)
def test_our_own_page_may_ask(origin: str, host: str) -> None:
    """The origin is the host that is asked, default ports told or not."""
    assert origin_fault(origin, host, cookie=True) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1:8601",
        "http://127.0.0.1",
        "http://localhost:8600",
        "http://127.0.0.1:8600.evil.example",
        "http://127.0.0.1:8600@evil.example",
        "http://evil.example#127.0.0.1:8600",
        "file://127.0.0.1:8600",
        "chrome-extension://127.0.0.1:8600",
        "//127.0.0.1:8600",
        "127.0.0.1:8600",
        "http://[::1",
        "http://[zz]:8600",
        "http://127.0.0.1:8600/",
        "http://127.0.0.1:86\t00",
        "http://127.0.0.1:8600, http://127.0.0.1:8600",
    ],
)
def test_no_other_page_may(origin: str) -> None:
    """Another site, another port of ours, no site at all, or a text that no browser sends: a reason, never an exception."""
    assert origin_fault(origin, "127.0.0.1:8600", cookie=False) != ""


def test_no_origin_is_fine_without_a_cookie_alone() -> None:
    """Programs say none; a browser that sends our cookie must."""
    assert origin_fault(None, "127.0.0.1:8600", cookie=False) == ""
    assert origin_fault(None, "127.0.0.1:8600", cookie=True) != ""
