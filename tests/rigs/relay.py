"""A relay without sockets: sessions over a scripted wire, time that is invented, and a real mailbox."""

from __future__ import annotations

from cloudnet.figures import Figures
from cloudnet.keys import Identity
from cloudnet.packets import FromServer, Limits, Login, from_server
from cloudnet.session import Greeting, Line

SERVER = Identity(b"S" * 32)
AUTHORITY = "cloud.example:8765"


class ScriptedWire:
    """Remembers what it was asked; what a line had to say is read by `said`."""

    def __init__(self, figures: Figures | None = None) -> None:
        self.line = Line(self, figures or Figures(), "test")
        self.asked: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.is_paused = False

    def ring(self, line: Line) -> None:
        """See `session.Wire`."""
        self.asked.append("ring")

    def ring_later(self, line: Line) -> None:
        """See `session.Wire`."""
        self.asked.append("ring later")

    def end(self, close: int, code: str, why: str) -> None:
        """See `session.Wire`."""
        if self.closed is None:
            self.closed = (close, str(code))

    def ping(self) -> None:
        """See `session.Wire`."""
        self.asked.append("ping")

    def pause(self, seconds: float) -> None:
        """See `session.Wire`."""
        self.is_paused = True

    def proceed(self) -> None:
        """See `session.Wire`."""
        self.is_paused = False

    def said(self) -> list[FromServer]:
        """What has been said since the last time, through the codec."""
        return [packet for message in self.line.drain() for packet in from_server(message)]


def bare_login(key: bytes, **more: object) -> Login:
    """A login that nobody has signed, for what comes after the proof."""
    return Login(key, b"n" * 32, AUTHORITY, b"", b"", **more)  # type: ignore[arg-type]  # any of its fields


def greeting() -> Greeting:
    """A server's, at the start of time."""
    return Greeting(SERVER, 0.0)


LIMITS = Limits(body_bytes=1000, under_way=4, mailbox_messages=20, mailbox_bytes=4000)
