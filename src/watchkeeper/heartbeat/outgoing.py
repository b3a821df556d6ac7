"""The dead man's switch: the hub's own heartbeat to somebody outside, who raises the alarm when it stays away.

It is carried by the Watchdog: a rule that always fires, whose beat comes through the judge (`beat`). Only while that is
fresh, no channel's lane is stuck and frames can be kept does a heartbeat go out; else ``/fail`` with the reason. So what is
proved is the way from a figure to a message, not that a process runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from watchkeeper.clock import Clock
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.fetch import fetch
from watchkeeper.heartbeat.settings import HeartbeatSettings
from watchkeeper.model import Family, Labels
from watchkeeper.outward import ANSWER_BYTES, hidden, opened

logger = logging.getLogger(__name__)

WATCHDOG_SECONDS = 60.0
"""How old the Watchdog's last beat may be."""
AGAIN_SECONDS = 5.0
"""When one that did not arrive is sent again, if the next is not due before."""
TICK_SECONDS = 1.0
"""How often it is looked whether the hub is well: who waits outside should not wait a period for the bad news."""

FAMILIES = (
    Family(
        "watchkeeper_dead_man_last_success_timestamp_seconds", "gauge", "When the hub's own heartbeat was last taken outside."
    ),
    Family("watchkeeper_dead_man_sent_total", "counter", "Heartbeats of the hub that were taken outside."),
    Family("watchkeeper_dead_man_failed_total", "counter", "Heartbeats of the hub that were not taken."),
    Family("watchkeeper_dead_man_well", "gauge", "Whether the hub says that it is well (1), or that it is not (0)."),
)


def vital(now: float, *, began: float, beat_at: float, stuck: str, trouble: str) -> str:
    """Why the hub is not well; empty: it is. Monotonic seconds; `beat_at` is 0 before the Watchdog's first beat."""
    if trouble:
        return trouble
    if stuck:
        return f"the channel {stuck} is stuck"
    if now - (beat_at or began) > WATCHDOG_SECONDS:
        return f"no rule has been judged for {now - (beat_at or began):.0f} s"
    return ""


class DeadMan:
    """The hub's own heartbeat. `run` is its task."""

    def __init__(
        self, settings: HeartbeatSettings, clock: Clock, stuck: Callable[[], str], trouble: Callable[[], str] = lambda: ""
    ) -> None:
        """`stuck` names a lane that does not come round; `trouble` says why nothing can be kept."""
        self.settings = settings
        self._clock = clock
        self._stuck = stuck
        self._trouble = trouble
        self._began = clock.monotonic()
        self._beat_at = 0.0
        self._last_success = 0.0
        self._sent = 0
        self._failed = 0
        self._why = ""

    def beat(self) -> None:
        """The Watchdog was judged, fires, and what it says could be kept."""
        self._beat_at = self._clock.monotonic()

    def ill(self) -> str:
        """Why the hub is not well; empty: it is."""
        now = self._clock.monotonic()
        return vital(now, began=self._began, beat_at=self._beat_at, stuck=self._stuck(), trouble=self._trouble())

    async def run(self) -> None:
        """Send until cancelled; nothing where no address is set."""
        if not self.settings.url:
            return
        await self._tell("/start", "the hub has started")
        period = float(self.settings.period)
        due, told = 0.0, ""
        while True:
            now = self._clock.monotonic()
            why = self.ill()
            turned = bool(why) != bool(told)
            # Before the first judgement there is nothing to say yet, neither well nor ill.
            if (why or self._beat_at) and (now >= due or turned):
                taken = await self._tell("/fail" if why else "", why or "well")
                due = now + (period if taken else min(period, AGAIN_SECONDS))
                told = why
            await asyncio.sleep(min(TICK_SECONDS, max(0.0, due - now)) if due > now else TICK_SECONDS)

    def figures(self) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """How it goes, by family; none where no address is set."""
        if not self.settings.url:
            return []
        last = self._last_success or float("nan")
        values = (last, float(self._sent), float(self._failed), float(not self.ill()))
        return [(family, [((), value)]) for family, value in zip(FAMILIES, values, strict=True)]

    async def _tell(self, ending: str, text: str) -> bool:
        """Ask the address once; whether it was taken."""
        why = ""
        try:
            url = with_ending(opened("url", self.settings.url), ending)
            async with asyncio.timeout(float(self.settings.timeout)):
                answer = await fetch(
                    url,
                    method="POST",
                    headers={"content-type": "text/plain; charset=utf-8"},
                    body=text.encode(),
                    limit=ANSWER_BYTES,
                    authorities=self.settings.ca,
                    status_counts=True,
                )
            if not 200 <= answer.status < 300:
                why = f"HTTP {answer.status}"
        except TimeoutError:
            why = f"no answer within {self.settings.timeout}"
        except (Failed, ConfigError) as fault:
            why = str(fault)
        why = hidden(why, self.settings)
        if why and not self._why:
            logger.warning("the hub's heartbeat does not arrive: %s", why)
        elif self._why and not why:
            logger.info("the hub's heartbeat arrives again")
        self._why = why
        if why:
            self._failed += 1
        else:
            self._sent += 1
            self._last_success = self._clock.wall()
        return not why


def with_ending(url: str, ending: str) -> str:
    """An address with more behind its path; what it asks (``?…``) stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + ending)) if ending else url
