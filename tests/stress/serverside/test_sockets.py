"""Sockets of a port are counted by the kernel, and a listener's queue with its room."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack

import pytest

from rigs.programs import until
from watchkeeper.stress.serverside.sockets import sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")


def test_sockets_are_counted_by_state_and_the_queue_is_told() -> None:
    """Three connect and nobody accepts: three wait in a queue with room for nine; another port's sockets are not counted."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=9))
        other = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stack.enter_context(socket.create_connection(other.getsockname()))
        seen = sockets(port)
        assert seen.states == {"listen": 1, "established": 3}
        assert (seen.queued, seen.room) == (3, 9)
        assert seen.listeners == {os.fstat(listener.fileno()).st_ino: socket.inet_aton("127.0.0.1") + bytes(12)}
        accepted = [stack.enter_context(listener.accept()[0]) for _ in range(3)]
        assert sockets(port).queued == 0
        accepted[0].shutdown(socket.SHUT_WR)
        until(lambda: "fin_wait2" in sockets(port).states, "the other end's acknowledgement")


def test_a_port_that_nobody_uses_has_no_sockets() -> None:
    """Nothing is counted, and nothing fails."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    seen = sockets(port)
    assert (seen.queued, seen.room, seen.listeners) == (0, 0, {})
