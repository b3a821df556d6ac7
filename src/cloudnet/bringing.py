"""Mail on its way to another node: what is kept here for one device goes, in its order, to where the device is now.

`network` begins one for a device and is told when it is over. A message is deleted here once the other node has it on its own
disk; until then it is here, so a node that dies in between costs nothing. New mail for the device that comes here meanwhile
goes the same way behind it; that is why this ends only when nothing waits and everything is settled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from cloudnet.backbone import Carry, Emptied
from cloudnet.carriage import Carried
from cloudnet.codes import Code
from cloudnet.errors import Failed
from cloudnet.mailfile import Mail
from cloudnet.packets import Deliver
from cloudnet.session import Flight

if TYPE_CHECKING:
    from cloudnet.network import Network

logger = logging.getLogger(__name__)

PAGE = 128
UNDER_WAY = 256
"""Messages on their way to the other node at the same time."""
CROSSED_SECONDS = 0.1
"""And when it would not because it was about to bring its own here: that is over in a moment."""
AGAIN_SECONDS = 5.0
"""How long to wait after the other node, or our own disk, would not."""


class Bringing:
    """The mail of one device. An `Origin` of each of its messages, by a number of its own."""

    def __init__(self, network: Network, device: bytes, node: str, *, is_awaited: bool) -> None:
        """To `node`; with `is_awaited` that one is told when all is there."""
        self.device = device
        self.node = node
        self._network = network
        self._is_awaited = is_awaited
        self._is_more = False
        self._refusal = self._code = ""
        self._unsettled: dict[int, Flight] = {}
        self._progress = asyncio.Event()
        self._seq = 0

    def more(self, *, is_awaited: bool) -> None:
        """Something was put behind the rest."""
        self._is_more = True
        self._is_awaited |= is_awaited
        self._progress.set()

    def accept(self, seq: int) -> None:
        """See `line.Origin`: it is on the other node's disk."""
        if flight := self._unsettled.pop(seq, None):
            self._network.relay.mailbox.delete(self.device, flight)
        self._progress.set()

    def reject(self, seq: int, code: str, why: str) -> None:
        """See `line.Origin`: it stays here for now."""
        self._unsettled.pop(seq, None)
        self._refusal, self._code = why, code
        self._progress.set()

    async def run(self) -> None:
        """Bring everything, or end when the device is no longer where it was."""
        try:
            while self._is_wanted() and not await self._bring_all():
                logger.info("the mail of a client stays here for now: %s", self._refusal)
                pause = CROSSED_SECONDS if self._code == Code.MOVING else AGAIN_SECONDS
                self._refusal = self._code = ""
                self._unsettled.clear()
                await asyncio.sleep(pause)
            if self._is_awaited and self._is_wanted():
                self._network.backbone.say(self.node, Emptied(self.device))
        finally:
            self._network.brought(self)

    def _is_wanted(self) -> bool:
        place = self._network.places.elsewhere(self.device)
        return place is not None and place.node == self.node

    async def _bring_all(self) -> bool:
        """Once through; False when something stays, with the reason in `_refusal`."""
        upto = 0
        while self._is_wanted() and self._network.carriage.is_elsewhere(self.device, self.node):  # noqa: ASYNC110  # rare, short
            await asyncio.sleep(0.02)  # older ones are still on their way to where it was before
        while self._is_wanted() and not self._refusal:
            self._is_more = False
            try:
                mails, _ = await self._network.relay.mailbox.read(self.device, upto, PAGE, _wall())
            except Failed as fault:
                self._refusal = fault.why
                break
            for mail in mails if self._is_wanted() else ():  # it may have moved while we were reading
                upto = mail.row
                self._post(mail)
            if not mails and not self._unsettled and not self._is_more:
                if not upto or not self._network.relay.mailbox.waiting(self.device):
                    return True
                upto = 0  # something was put that has an earlier place in the order than what is gone already
            while len(self._unsettled) > (UNDER_WAY if mails else 0) and not self._is_more and not self._refusal:
                if not self._is_wanted():
                    return True
                self._progress.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._progress.wait()
        return not self._refusal

    def _post(self, mail: Mail) -> None:
        self._seq += 1
        deliver = Deliver(0, mail.sender, mail.id, mail.at, mail.to, mail.body)
        self._unsettled[self._seq] = Flight(deliver, None, 0, 0.0, mail.row)
        carry = Carry(
            self._network.carriage.ref(),
            mail.sender,
            mail.to,
            mail.id,
            mail.at,
            mail.body,
            mail.row,
            expires=mail.expires,
        )
        self._network.carriage.post(self.node, Carried(carry, self, self._seq, time.monotonic(), self.device))


def _wall() -> int:
    return time.time_ns() // 1_000_000
