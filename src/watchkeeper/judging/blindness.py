"""Asks the witnesses whether the hub's own link is up: a connection that is accepted or refused is an answer.

Of the gateway it suffices that the network knows its hardware address after it was called: many drop connections without a
word. What follows from silence is `alert.witness`' to decide. Each is asked beside the others, within its time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from watchkeeper.alert.settings import WitnessSettings
from watchkeeper.alert.witness import Standing, heard, is_blind

logger = logging.getLogger(__name__)

GATEWAY_PORT = 53
_COMPLETE = 0x2


class Witnesses:
    """All witnesses of one hub. `changed` is called when it becomes blind and when it sees again."""

    def __init__(self, settings: WitnessSettings, changed: Callable[[], None]) -> None:
        """Nobody is asked before `run`."""
        self._settings = settings
        self._changed = changed
        self.standing: dict[str, Standing] = {}
        self.blind = False

    async def run(self) -> None:
        """Ask all of them, again and again, until cancelled."""
        while True:
            answers = await asyncio.gather(*(self._ask(target) for target in self._settings.targets))
            for target, why in zip(self._settings.targets, answers, strict=True):
                if why is None:
                    self.standing.pop(target, None)
                else:
                    self.standing[target] = heard(self.standing.get(target, Standing()), why)
            blind = is_blind(self.standing, self._settings.misses)
            if blind is not self.blind:
                self.blind = blind
                told = "; ".join(f"{name}: {one.why}" for name, one in self.standing.items())
                logger.warning("the hub is %s (%s)", "cut off: no witness answers" if blind else "no longer cut off", told)
                self._changed()
            await asyncio.sleep(float(self._settings.period))

    async def _ask(self, target: str) -> str | None:
        """Empty when it answers, else why not; None where there is nobody to ask."""
        if target != "gateway":
            host, _, port = target.rpartition(":")
            return await knock(host.strip("[]"), int(port), float(self._settings.timeout))
        address = await asyncio.to_thread(gateway)
        if not address:
            return None
        why = await knock(address, GATEWAY_PORT, float(self._settings.timeout))
        return "" if is_neighbour(address) else why


async def knock(host: str, port: int, seconds: float) -> str:
    """Empty when somebody is there, be it to refuse; else why not."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return ""
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except OSError as fault:
        return fault.strerror or str(fault)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""


def gateway(table: Path = Path("/proc/net/route")) -> str:
    """The address of this machine's way out; empty where there is none, or the system does not tell in this way."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) > 3 and fields[1] == "00000000" and int(fields[3], 16) & 0x2:
            return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    return ""


def is_neighbour(address: str, table: Path = Path("/proc/net/arp")) -> bool:
    """Whether the network knows the hardware address of a neighbour."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    return any(fields[0] == address and int(fields[2], 16) & _COMPLETE for line in lines if len(fields := line.split()) > 3)
