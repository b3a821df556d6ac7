"""For whom older mail is still elsewhere: which nodes keep some, and which clients wait here until it has come. Pure.

`network` writes what nodes publish of the mail they keep for devices that are not theirs, and which may have some because they
were lost as a device's home. A client that comes is held for as long as any of them lives or is expected back; here it is heard
when nothing older is to come. So newer messages do not overtake older ones on the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudnet.backbone import Keeps

HOLD_SECONDS = 60.0
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
        if keeps.on:
            self._keepers.setdefault(keeps.device, set()).add(keeps.node)
        elif (keepers := self._keepers.get(keeps.device)) is not None:
            keepers.discard(keeps.node)
            if not keepers:
                del self._keepers[keeps.device]

    def keepers(self, device: bytes) -> frozenset[str]:
        """The other nodes that keep mail for a device."""
        return frozenset(self._keepers.get(device, ()))

    def suspect(self, devices: Iterable[bytes], node: str) -> None:
        """A node is lost that was these devices' home: whatever it kept for them is there until it says that nothing is."""
        for device in devices:
            self._keepers.setdefault(device, set()).add(node)

    def news(self, device: bytes, *, on: bool) -> Keeps | None:
        """What is to be published when we begin or end to keep mail for a device that is not ours; None when it was said."""
        if (device in self._said) is on:
            return None
        (self._said.add if on else self._said.discard)(device)
        return Keeps(device, self._node, on)

    def hold(self, device: bytes, nodes: Iterable[str], now: float) -> None:
        """A client waits for the mail that these nodes keep, beside those for which it waits already."""
        before, deadline = self._held.get(device, (set[str](), now + HOLD_SECONDS))
        self._held[device] = before | set(nodes), deadline

    def awaited(self, device: bytes) -> frozenset[str]:
        """The nodes for whose mail a client waits."""
        return frozenset(self._held[device][0]) if device in self._held else frozenset()

    def emptied(self, device: bytes, node: str) -> bool:
        """All that a node kept for a device is here; whether nothing more is to come from any."""
        self.learn(Keeps(device, node, on=False))
        return self._given_up(device, node)

    def _given_up(self, device: bytes, node: str) -> bool:
        """Nobody waits for this any more; whether there is nothing else to wait for."""
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
        return [device for device in list(self._held) if self._given_up(device, node)]

    def overdue(self, now: float) -> list[bytes]:
        """The devices that have waited for too long, and wait no longer: nor for the same nodes when they come anew.

        A node that is back says once more what it keeps.
        """
        late = [device for device, (_, deadline) in self._held.items() if now > deadline]
        for device in late:
            for node in self._held.pop(device)[0]:
                self.learn(Keeps(device, node, on=False))
        return late

    def waiting_for(self, node: str) -> list[bytes]:
        """The devices that wait for a node's mail."""
        return [device for device, (nodes, _) in self._held.items() if node in nodes]
