"""Which server a client turns to: those that it was given, in their order, then those that the last one has named, in a circle.

Who refuses for good is passed over until a login works somewhere. It ends the client when it was the last of those that were
given, backups or not; or when it was refused for its key, which is in use elsewhere. `reaching` connects; here is no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from cloudnet.codes import Code
from cloudnet.errors import Refused

FINAL = {Code.TAKEN_OVER, Code.BAD_SIGNATURE, Code.WRONG_SERVER, Code.MALFORMED, Code.ALREADY_CONNECTED, Code.NOT_LOGGED_IN}
"""Reasons after which coming back to this server would be wrong or useless."""


def is_address(text: str) -> bool:
    """Whether it is a ``ws://`` or ``wss://`` address, with a host that a name can be, and a port, if any, that one can be."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in {"ws", "wss"} and bool(host) and parts.port != 0
    except ValueError:
        return False


class Turning:
    """The addresses of one client."""

    def __init__(self, servers: Sequence[str]) -> None:
        """`servers`: those that it was given, at least one."""
        self.servers = servers
        self.address = servers[0]
        """Where to turn to now."""
        self.backups: tuple[str, ...] = ()
        self._spent: dict[str, Refused] = {}
        """Who has refused for good since the last login that worked, and why."""

    def name(self, backups: Iterable[str]) -> None:
        """The server has named others; what is no address is passed over."""
        self.backups = tuple(filter(is_address, backups))

    def welcomed(self) -> None:
        """A login has worked: whoever has refused before may be asked again."""
        self._spent.clear()

    def go_on(self) -> None:
        """To the next one, which is the same where there is no other."""
        every = list(dict.fromkeys((*self.servers, *self.backups)))
        behind = every.index(self.address) + 1 if self.address in every else 0
        left = [address for address in (*every[behind:], *every[:behind]) if address not in self._spent]
        self.address = left[0] if left else self.address

    def refused(self, fault: Refused) -> bool:
        """The present server refuses for good: whether there is no way on. Else the next one is turned to."""
        is_given = self.address in self.servers
        if fault.code == Code.TAKEN_OVER or (fault.code == Code.ALREADY_CONNECTED and is_given):
            return True
        self._spent[self.address] = fault
        self.go_on()
        return all(server in self._spent for server in self.servers)

    def refusals(self, told: str) -> str:
        """Who has refused for good, and why, to be put behind a sentence that has `told` one reason already; may be empty."""
        return "".join(f"; {address}: {fault.why}" for address, fault in self._spent.items() if fault.why != told)
