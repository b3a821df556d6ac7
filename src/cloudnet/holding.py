"""For whom older mail is still elsewhere: which nodes keep some, and which clients wait here until it has come. Pure.

`network` writes what nodes publish of the mail they keep for devices that are not theirs, holds a client that comes for as long
as any of them lives, and hears here when nothing older is to come. So newer messages do not overtake older ones on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudnet.backbone import Keeps

HOLD_SECONDS = 20.0
"""How long a client waits at the most."""


class Holding:
    """One node's knowledge of mail that is not where its recipient is."""

    def __init__(self, node: str) -> None:
        """`node`: who we are."""
        self._node = node
        self._keepers: dict[bytes, set[str]] = {}
        self._said: set[bytes] = set()
        self._held: dict[bytes, tuple[set[str], float]] = {}

    def learn(self, keeps: Keeps) -> None:
        """A node keeps mail for a device, or no longer."""
        if keeps.node == self._node:
            return
        keepers = self._keepers.setdefault(keeps.device, set())
        if keeps.on:
            keepers.add(keeps.node)
            return
        keepers.discard(keeps.node)
        if not keepers:
            del self._keepers[keeps.device]

    def keepers(self, device: bytes) -> frozenset[str]:
        """The other nodes that keep mail for a device."""
        return frozenset(self._keepers.get(device, ()))

    def news(self, device: bytes, *, on: bool) -> Keeps | None:
        """What is to be published when we begin or end to keep mail for a device that is not ours; None when it was said."""
        if (device in self._said) is on:
            return None
        (self._said.add if on else self._said.discard)(device)
        return Keeps(device, self._node, on)

    def hold(self, device: bytes, nodes: Iterable[str], now: float) -> None:
        """A client waits for the mail that these nodes keep."""
        self._held[device] = set(nodes), now + HOLD_SECONDS

    def emptied(self, device: bytes, node: str) -> bool:
        """All that a node kept for a device is here; whether nothing more is to come from any."""
        held = self._held.get(device)
        if held is None:
            return False
        held[0].discard(node)
        if held[0]:
            return False
        del self._held[device]
        return True

    def lost(self, node: str) -> list[bytes]:
        """A node will not bring anything: the devices that wait for nobody any more."""
        return [device for device in list(self._held) if self.emptied(device, node)]

    def overdue(self, now: float) -> list[bytes]:
        """The devices that have waited for too long, and wait no longer."""
        late = [device for device, (_, deadline) in self._held.items() if now > deadline]
        for device in late:
            del self._held[device]
        return late

    def waiting_for(self, node: str) -> list[bytes]:
        """The devices that wait for a node's mail."""
        return [device for device, (nodes, _) in self._held.items() if node in nodes]
