"""Sockets of one port, counted by state, asked of the kernel: sock_diag(7), which filters before it answers.

/proc/net/tcp would be the whole table as text, each time; this is some bytes for each socket of the port alone, and it says how
long a listener's queue may be. Linux alone.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from watchkeeper.errors import Failed

STATES = {
    1: "established",
    2: "syn_sent",
    3: "syn_recv",
    4: "fin_wait1",
    5: "fin_wait2",
    6: "time_wait",
    7: "close",
    8: "close_wait",
    9: "last_ack",
    10: "listen",
    11: "closing",
    12: "syn_recv",  # NEW_SYN_RECV: a connection that is being made, told apart by the kernel alone
}
LISTEN = 10

_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST_DUMP = 0x301
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_ID = struct.Struct("!HH16s16s")
_ASK = 1  # INET_DIAG_REQ_BYTECODE
_SOURCE_AT_LEAST, _SOURCE_AT_MOST = 2, 3
_MESSAGE = struct.Struct("=BBBB")
_TAIL = struct.Struct("=IIIII")
_TAIL_AT = 4 + 48
"""Where a message's `expires`, queues, owner and inode stand: behind its first words and the socket's identity."""


class Sockets(NamedTuple):
    """A port's sockets: how many in each state, what waits in the listeners' queues, how long these may be, their inodes."""

    states: dict[str, int]
    queued: int
    room: int
    listeners: dict[int, bytes]
    """Inode of each listening socket: the address that it listens at (16 bytes; IPv4 in the first four)."""


def sockets(port: int) -> Sockets:
    """Ask; raises Failed where this system does not answer such questions."""
    states: dict[str, int] = {}
    listeners: dict[int, bytes] = {}
    queued = room = 0
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise Failed("this system does not tell sockets by port", retry=False)
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _DIAG) as line:
            line.settimeout(2.0)
            for kind in (socket.AF_INET, socket.AF_INET6):
                line.send(_question(kind, port))
                for message in _answers(line):
                    _, state, _, _ = _MESSAGE.unpack_from(message)
                    name = STATES.get(state, "other")
                    states[name] = states.get(name, 0) + 1
                    if state == LISTEN:
                        _, waiting, most, _, inode = _TAIL.unpack_from(message, _TAIL_AT)
                        queued, room = queued + waiting, room + most
                        listeners[inode] = bytes(message[8:24])
    except OSError as fault:
        raise Failed(f"the kernel does not tell sockets by port: {fault.strerror or fault}") from None
    return Sockets(states, queued, room, listeners)


def _question(family: int, port: int) -> bytes:
    """All TCP sockets of a family whose own port is this one."""
    # Two conditions of bytecode, each an operation and its operand: yes goes on (8 bytes), no goes beyond the end.
    code = struct.pack("=BBHBBH", _SOURCE_AT_LEAST, 8, 20, 0, 0, port) + struct.pack(
        "=BBHBBH", _SOURCE_AT_MOST, 8, 12, 0, 0, port
    )
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFF_FFFF) + _ID.pack(0, 0, b"", b"") + bytes(12)
    body += struct.pack("=HH", 4 + len(code), _ASK) + code
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + body


def _answers(line: socket.socket) -> list[memoryview]:
    """Every message of the answer, without its header."""
    found: list[memoryview] = []
    while True:
        content = memoryview(line.recv(1 << 17))
        at = 0
        while at + _HEADER.size <= len(content):
            length, kind, _, _, _ = _HEADER.unpack_from(content, at)
            if kind == _DONE:
                return found
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", content, at + _HEADER.size)
                raise OSError(-code, "sock_diag was refused")
            if length < _HEADER.size:
                raise OSError(0, "sock_diag answered nonsense")
            found.append(content[at + _HEADER.size : at + length])
            at += (length + 3) & ~3
