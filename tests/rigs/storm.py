"""`python tests/rigs/storm.py PORT COUNT`: so many TCP connections at once, each of which says nothing; a process of its own.

Prints how many were opened, refused at once and reset later, holds the rest until standard input ends, then leaves.
"""

from __future__ import annotations

import errno
import selectors
import socket
import sys
import time


def storm(port: int, count: int, seconds: float) -> None:
    """Connect `count` times without waiting for any of them; watch what becomes of them for so long at the most."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        if one.connect_ex(("127.0.0.1", port)) not in {0, errno.EINPROGRESS}:
            raise SystemExit("no further socket can be connected")
        selector.register(one, selectors.EVENT_WRITE)
    opened = refused = reset = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and opened + refused < count:
        for key, mask in selector.select(0.2):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if mask & selectors.EVENT_WRITE and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                opened += 1
                selector.modify(one, selectors.EVENT_READ)
            else:
                refused += mask & selectors.EVENT_WRITE > 0
                reset += mask & selectors.EVENT_READ > 0
                selector.unregister(one)
                one.close()
    print(opened, refused, reset, flush=True)  # noqa: T201  # for whoever has started it
    sys.stdin.read()


if __name__ == "__main__":
    storm(int(sys.argv[1]), int(sys.argv[2]), 30.0)
