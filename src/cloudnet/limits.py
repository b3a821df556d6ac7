"""How much is too much: deciders that take `now` and answer with a number or a reason. No clock, no task, no socket here."""

from __future__ import annotations

from cloudnet.codes import Code

HANDSHAKES_BURST_SECONDS = 5.0
"""An address may open as many connections at once as its rate allows in so many seconds."""

FRAMES_PER_SECOND = 10_000
"""What a connection may send beside messages, on the average and twice as much at once; a small fragment counts as one,"""
FRAGMENT_BYTES = 1024
"""one of at least so many bytes as none: its bytes bound it,"""
CONTROL_COST = 50
"""and a ping or a pong, or anything before the login, as so many. Who is over it is not read for a while;"""
FLOOD_SECONDS = 1
"""and closed, when that would be for longer: what was read at once is worked through, however long nothing more is read."""


class Bucket:
    """A token bucket: `rate` a second on the average, `burst` at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Full at first; a rate of 0 is no limit."""
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, count: float, now: float) -> float:
        """Take `count`, going into debt if there are not so many.

        Returns for how many seconds the taker should be left waiting.
        """
        if not self._rate:
            return 0.0
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        self._left -= count
        return -self._left / self._rate if self._left < 0 else 0.0

    def is_full(self, now: float) -> bool:
        """Whether nothing was taken lately, so that it may be forgotten."""
        return not self._rate or self._left + (now - self._at) * self._rate >= self._burst


class FrameAllowance:
    """What one connection may send in frames that are no whole messages."""

    __slots__ = ("_bucket",)

    def __init__(self, now: float) -> None:
        """None was sent yet."""
        self._bucket = Bucket(FRAMES_PER_SECOND, 2 * FRAMES_PER_SECOND, now)

    def take(self, size: int, now: float, *, is_control: bool, is_known: bool) -> float:
        """A ping or pong (`is_control`), or a fragment of `size` bytes, of a client that `is_known` once it has logged in.

        Returns for how many seconds it should be left waiting.
        """
        if is_control or not is_known:
            return self._bucket.take(CONTROL_COST, now)
        return self._bucket.take(1, now) if size < FRAGMENT_BYTES else 0.0


class Admission:
    """Whether one more connection may come in: by how many there are, from where, and how fast."""

    def __init__(self, most: int, most_per_address: int, per_second: float) -> None:
        """Connections in all, from one address, and new ones a second from one address; 0 is no limit."""
        self._most = most
        self._most_per_address = most_per_address
        self._per_second = per_second
        self._open: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}
        self.total = 0
        self.closed = ""
        """A reason to let nobody in at the moment, set from outside: overload, memory, the end."""

    def admit(self, address: str, now: float) -> str:
        """Empty when it may come in, and it is counted then; else the reason, a word of `Code`."""
        if self.closed:
            return self.closed
        if self._most and self.total >= self._most:
            return Code.OVERLOADED
        here = self._open.get(address, 0)
        if self._most_per_address and here >= self._most_per_address:
            return Code.TOO_MANY
        if self._per_second:
            bucket = self._buckets.get(address)
            if bucket is None:
                burst = max(1.0, self._per_second * HANDSHAKES_BURST_SECONDS)
                bucket = self._buckets[address] = Bucket(self._per_second, burst, now)
            if bucket.take(1, now):
                bucket.take(-1, now)  # what was refused costs nothing, else a stubborn client would never get in
                return Code.TOO_FAST
        self._open[address] = here + 1
        self.total += 1
        return ""

    def leave(self, address: str) -> None:
        """One from there is gone."""
        self.total -= 1
        left = self._open[address] - 1
        if left:
            self._open[address] = left
        else:
            del self._open[address]

    def forget(self, now: float) -> None:
        """Drop what is known of addresses that have been quiet."""
        for address in [address for address, bucket in self._buckets.items() if bucket.is_full(now)]:
            del self._buckets[address]


def overload(lag: float, most_lag: float, memory: float, most_memory: float) -> str:
    """Why no more clients should be let in at the moment; empty when all is well. Seconds and bytes; a bound of 0 is none."""
    if most_memory and memory > most_memory * 0.9:
        return f"memory is at {memory / 1e6:.0f} of {most_memory / 1e6:.0f} MB"
    if most_lag and lag > most_lag:
        return f"the event loop is {lag:.2f} s late"
    return ""
