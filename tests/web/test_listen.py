"""A port that is taken is a clear error at once, or the next free one."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from watchkeeper.errors import ConfigError
from watchkeeper.web.listen import address, bind, port_holder, split_address


def test_a_free_port_is_bound_and_told() -> None:
    """Port 0 takes any; the address is what a browser can open."""
    with bind("127.0.0.1", 0) as bound:
        host, port = split_address(address(bound))
        assert host == "127.0.0.1"
        with socket.create_connection((host, port)):
            pass


def test_a_taken_port_names_its_holder() -> None:
    """The sentence says who has it and what to do."""
    with bind("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken") as taken:
            bind("127.0.0.1", port)
        assert taken.value.where == "web.listen"
        if sys.platform == "linux":
            assert f"(pid {os.getpid()})" in str(taken.value)
            assert port_holder(port).endswith(f"(pid {os.getpid()})")
    assert port_holder(port) == ""


def test_the_next_free_port_will_do() -> None:
    """When any port near the wanted one is as good."""
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port, next_free=True) as second:
            assert second.getsockname()[1] > port


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [("no-such-host.invalid", 8600, "is not known"), ("192.0.2.1", 0, "is not an address of this machine")],
)
def test_an_address_that_is_not_ours_is_told(host: str, port: int, said: str) -> None:
    """A mistake of the operator's, in words."""
    with pytest.raises(ConfigError, match=said):
        bind(host, port)


@pytest.mark.parametrize(
    ("written", "apart"),
    [("127.0.0.1:8600", ("127.0.0.1", 8600)), ("[::1]:0", ("::1", 0)), ("host.example:65535", ("host.example", 65535))],
)
def test_addresses_come_apart(written: str, apart: tuple[str, int]) -> None:
    """HOST:PORT, brackets for IPv6."""
    assert split_address(written) == apart


@pytest.mark.parametrize(
    "written", ["", "8600", ":8600", "host", "host:", "host:x", "host:65536", "host:-1", "host:\uff18\uff16"]
)
def test_addresses_that_are_none_are_refused(written: str) -> None:
    """With the form that was expected."""
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        split_address(written)


def test_a_wildcard_is_shown_as_what_a_browser_can_open() -> None:
    """Nobody can open 0.0.0.0."""
    with bind("0.0.0.0", 0) as bound:
        assert address(bound).startswith("127.0.0.1:")
    if socket.has_ipv6:
        with bind("::1", 0) as bound:
            assert address(bound).startswith("[::1]:")
