"""Hands on what the store has taken, by remote write: the store's log is the queue, a file knows how far each target is.

`run` belongs to the hub's TaskGroup, one for each target. Every sample that became durable here is sent at least once, in the
order in which it did: what is not taken there (5xx, 429, no answer) is sent again, after pauses that grow; what is refused
for its content is cut into halves until only that is left out, counted. A target that refuses us (401, 403, 404) is
asked again, since an operator can help that. Series that end get a stale marker, as from Prometheus (`endings`).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import Answer, fetch
from watchkeeper.model import ABSENT_BITS
from watchkeeper.remote.endings import Endings
from watchkeeper.remote.settings import Target
from watchkeeper.store.following import Place
from watchkeeper.store.framestore import FrameStore
from watchkeeper.store.log import Entry
from watchkeeper.store.remotewrite import Layout, frame, layout
from watchkeeper.store.snappy import pack

logger = logging.getLogger(__name__)

MOST_SAMPLES = 10_000
"""Samples of one request; a single frame may have more."""
POLL = 1.0
"""Seconds between looks at the log once all is sent: commits come once a second."""
MOST_LAYOUTS = 2000
LONGEST_PAUSE = 60.0
LONGEST_ASKED_PAUSE = 300.0
CONTENT = frozenset({400, 409, 413, 415, 422})
"""Answers that speak of what was sent: sending it again would not help. All other refusals speak of us."""
HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}


class Sent(msgspec.Struct):
    """What has gone out to one target since the hub's start."""

    requests: int = 0
    samples: int = 0
    retries: int = 0
    dropped_samples: int = 0


class Sender:
    """One target."""

    def __init__(
        self,
        target: Target,
        store: FrameStore,
        folder: Path,
        monotonic: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`folder` is for the files of all targets; raises Failed where it cannot be written. Nothing is sent yet."""
        self.target = target
        self.tally = Sent()
        self.trouble = ""
        self._store = store
        self._monotonic = monotonic
        self._chance = chance
        self._endings = Endings(store.stream, store.layout)
        self._file = folder / f"{target.called}.json"
        self._layouts: dict[int, Layout] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.follower = store.follow(self._kept(), int(target.behind))
            self._keep()
        except OSError as fault:
            raise Failed(f"{self._file} cannot be used: {fault.strerror}", retry=False) from None

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                entries, place = await asyncio.to_thread(self.follower.read, MOST_SAMPLES)
            except OSError as fault:  # a segment that was removed while it was looked at, or a disk that fails
                self._tell(f"the log cannot be read: {fault.strerror}")
                await asyncio.sleep(POLL)
                continue
            now = self._monotonic()
            # Who is silent shows once everything is read.
            marked = self._endings.marked(entries, now) if entries else self._endings.silent(now)
            if not marked:
                await asyncio.sleep(POLL)
                continue
            for part in parts(marked, MOST_SAMPLES):
                await self._deliver(part)
            self.follower.place = place
            try:
                await asyncio.to_thread(self._keep)
            except OSError as fault:  # it is sent again after a restart, and that is all
                self._tell(f"{self._file.name} cannot be written: {fault.strerror}")

    async def _deliver(self, entries: Sequence[Entry]) -> None:
        """Until it is taken, or refused for what it is."""
        plain = await asyncio.to_thread(lambda: b"".join(map(self._written, entries)))
        if not plain:
            return
        body = await asyncio.to_thread(pack, plain)
        pauses = 0
        while True:
            answer, why = await self._post(body)
            if answer is not None and 200 <= answer.status < 300:
                self.tally.samples += sum(map(told, entries))
                self._tell("")
                return
            if answer is not None and answer.status in CONTENT:
                break
            self.tally.retries += 1
            self._tell(why)
            await asyncio.sleep(pause(pauses, answer, self._chance()))
            pauses += 1
        if len(entries) > 1:
            half = len(entries) // 2
            await self._deliver(entries[:half])
            await self._deliver(entries[half:])
            return
        self.tally.dropped_samples += told(entries[0])
        self._tell(f"a frame was refused and left out: {why}")

    async def _post(self, body: bytes) -> tuple[Answer | None, str]:
        """One try: the answer if there is one, and what is wrong with it in words."""
        self.tally.requests += 1
        try:
            headers = HEADERS | {name.lower(): text for name, text in self.target.revealed().items()}
            async with asyncio.timeout(float(self.target.timeout)):
                answer = await fetch(self.target.url, method="POST", headers=headers, body=body)
        except TimeoutError:
            return None, f"no answer within {self.target.timeout}"
        except Failed as fault:
            return None, fault.why
        except ConfigError as fault:
            return None, str(fault)
        return answer, f"it answers {answer.status}: {answer.body[:200].decode(errors='replace').strip()}"

    def _written(self, entry: Entry) -> bytes:
        """A frame under its target's labels; nothing where its layout is not known any more."""
        known = self._layouts.get(entry.layout)
        if known is None:
            if len(self._layouts) > MOST_LAYOUTS:
                self._layouts.clear()
            names = self._store.layout(entry.layout)
            known = layout(tuple(one.labelled(self.target.labels) for one in names) if self.target.labels else names)
            self._layouts[entry.layout] = known
        if len(known.series) != len(entry.values):
            self.tally.dropped_samples += told(entry)
            return b""
        return frame(known, entry.at, entry.values)

    def _tell(self, why: str) -> None:
        """Log what is wrong once, and that it is right again."""
        if why and not self.trouble:
            logger.warning("%s does not get its samples: %s; they wait", self.target.called, why)
        elif self.trouble and not why:
            logger.info("%s gets its samples again", self.target.called)
        self.trouble = why

    def _kept(self) -> Place | None:
        """How far it had come; None where it is new. A file that cannot be read: as far as the log goes back."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Place)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            return Place(0, 0)

    def _keep(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self.follower.place))
        fresh.replace(self._file)


def told(entry: Entry) -> int:
    """How many samples a frame has: absent ones are none."""
    return int(np.count_nonzero(entry.values.view(np.int64) != ABSENT_BITS))


def parts(entries: Sequence[Entry], most: int) -> list[list[Entry]]:
    """Frames in requests of up to `most` samples each, at least one frame."""
    found: list[list[Entry]] = []
    size = most
    for entry in entries:
        if size + len(entry.values) > most:
            found.append([])
            size = 0
        found[-1].append(entry)
        size += len(entry.values)
    return found


def pause(tries: int, answer: Answer | None, chance: float) -> float:
    """Seconds until the next try: 1 to 60, doubled each time, half by chance; or what is asked for, up to 5 minutes."""
    asked = answer.headers.get("retry-after", "") if answer is not None else ""
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_ASKED_PAUSE) + chance
    return float(min(LONGEST_PAUSE, 2.0 ** min(tries, 10))) * (0.5 + chance / 2)
