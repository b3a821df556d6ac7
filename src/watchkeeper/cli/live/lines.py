"""A server's output as it comes, across restarts of the hub and the agent: no line twice, a gap said aloud.

`follow` blocks and never ends by itself; `Join` is the pure part, which finds where a fresh tail goes on
from what was already printed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from watchkeeper.cli.client import Hub
from watchkeeper.cli.live.stream import AGAIN_SECONDS, SILENCE_SECONDS, call, fault_of, read
from watchkeeper.errors import Failed
from watchkeeper.web.shapes import Farewell, LogNews, LogsFollow, Tick

Tell = Callable[[str], None]
SEEN = 500
"""How many printed lines are remembered, and asked for again after a break."""


class Join:
    """Where a tail goes on from the lines seen before. The tail may come in several parts."""

    def __init__(self, seen: Sequence[str]) -> None:
        """`seen`: the lines printed so far, or the last of them, oldest first."""
        # Where the tail may begin is any line of them: what would follow then, for each place that is still possible.
        known = list(seen)
        self._ways = [known[start:] for start in range(len(known))]
        self._begun = False
        self.gap = False
        """Whether lines may have been missed: nothing of the tail was known."""

    def fresh(self, lines: Sequence[str]) -> list[str]:
        """Those of the next `lines` that were not printed yet; where several places fit, the one with the longest overlap."""
        left = list(lines)
        if not left:
            return left
        ways = [way for way in self._ways if way[: len(left)] == left[: len(way)]]
        known = max(map(len, ways), default=0)
        self.gap = self.gap or (not self._begun and bool(self._ways) and not ways)
        self._begun = True
        self._ways = [way[len(left) :] for way in ways] or [[]]
        return left[known:]


def follow(
    find: Callable[[], Hub], machine: str, server: str, tail: Sequence[str], tell: Callable[[str], None]
) -> Iterator[str]:
    """Every line that comes after `tail`, the last lines as just read. `tell` hears of breaks in between.

    `find` is asked again after each break, since a hub may come back elsewhere. Raises `Refused` when the hub turns
    us away, and `Failed` when it is not there at the start: what was never there cannot be waited for.
    """
    seen = deque(tail, SEEN)
    begun = away = False
    while True:
        try:
            with _open(find()) as socket:
                if away:
                    tell("the hub is there again")
                begun, away = True, False
                yield from _read_on(socket, machine, server, seen, tell)
        except Failed as fault:
            if not begun or not fault.retry:
                raise
            if not away:
                tell(f"{fault.why}; waiting for it")
            away = True
        time.sleep(AGAIN_SECONDS)


def _read_on(
    socket: ClientConnection, machine: str, server: str, seen: deque[str], tell: Callable[[str], None]
) -> Iterator[str]:
    """Fresh lines of one connection; raises `Failed` when it breaks."""
    join, broken = _ask(socket, machine, server, seen), ""
    while True:
        try:
            message = read(socket.recv(SILENCE_SECONDS))
        except (ConnectionClosed, TimeoutError):
            raise Failed("the hub is gone") from None
        match message:
            case LogNews(lines=lines, why=why):
                if why and why != broken:
                    tell(why)
                broken = why
                for line in join.fresh(lines):
                    if join.gap:
                        tell("some lines may be missing here")
                        join.gap = False
                    seen.append(line)
                    yield line
            case Tick() if broken:  # its agent may be back: ask again, with what was seen in hand
                join = _ask(socket, machine, server, seen)
            case Farewell(reason=reason):
                raise Failed(f"the hub is gone ({reason})")


def _ask(socket: ClientConnection, machine: str, server: str, seen: deque[str]) -> Join:
    """Ask for as many lines as were seen, so that the tail begins within them, or after a gap."""
    socket.send(msgspec.json.encode(LogsFollow(machine, server, max(1, len(seen)))).decode())
    return Join(seen)


def _open(hub: Hub) -> ClientConnection:
    url, arguments = call(hub)
    try:
        opened: ClientConnection = connect(url, **arguments)
        return opened
    except (OSError, InvalidHandshake, EOFError) as fault:
        raise fault_of(hub, fault) from None
