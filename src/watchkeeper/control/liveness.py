"""What a server has said and shown of itself: every sign of life since its start, and the verdict that follows from them.

`watch` hands in what it hears (answers of probes, messages, beats, looks at its threads) with the instant, and asks for
the verdict, which is `hang`'s to give. One `Pulse` is one server. Nothing here reads a file, opens a socket or kills.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, Literal

import msgspec

from watchkeeper.config import Part
from watchkeeper.control.activity import SHORTEST, Look, motion
from watchkeeper.control.hang import Rules, Sign, Tally, Verdict, judge
from watchkeeper.control.heartbeat import HeartbeatFileSettings
from watchkeeper.control.notifysocket import Said
from watchkeeper.quantities import Duration

LOOKS = 4
"""So many looks are compared: the newest with the oldest of them, so that what was long ago does not count."""
NEVER = float("inf")


class LivenessSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.liveness]``: when a server counts as hung, and what is done then.

    Probes with ``liveness = true`` count; all of its probes, if none is marked so and there is neither `watchdog` nor
    heartbeat. `misses` of the last `of` answers (left out: as many) make it silent; an answer that takes longer than half a
    period is missed. With `notify` it says when it is
    ready (``READY=1`` to ``NOTIFY_SOCKET``), and within `watchdog` it must send ``WATCHDOG=1`` again and again. A silent
    server that is at work is left alone for `busy`; one that has just been started may be silent for `start`. `then` is
    ``restart`` or ``report``; a restart is SIGABRT first if `abort`, SIGTERM, and SIGKILL after `grace`.
    """

    misses: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    of: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    busy: Duration = Duration(300)
    start: Duration = Duration(60)
    then: Literal["restart", "report"] = "restart"
    notify: bool = False
    watchdog: Duration | None = None
    heartbeat: HeartbeatFileSettings | None = None
    abort: bool = False
    grace: Duration = Duration(1)

    def __post_init__(self) -> None:
        """Refuse what could never come true."""
        if self.of is not None and self.of < self.misses:
            raise ValueError("of: expected at least as many as misses")
        if self.watchdog is not None and not 0.1 <= self.watchdog <= 86_400:
            raise ValueError("watchdog: expected 100ms to 1d")
        if self.grace < 0.1:
            raise ValueError("grace: expected at least 100ms")

    @property
    def rules(self) -> Rules:
        """What the decider needs to know."""
        return Rules(self.misses, self.of or self.misses, float(self.busy), float(self.start))


class Pulse:
    """One server's signs of life since its present process was started."""

    def __init__(self, settings: LivenessSettings, probes: frozenset[str], now: float) -> None:
        """`probes`: the names of those that count."""
        self.settings = settings
        self.probes = probes
        self.status = ""
        """What it says of itself (``STATUS=``)."""
        self._seen: float | None = None
        """As of when its heartbeat file is known; None: at any time."""
        self.begin(now)

    def begin(self, now: float) -> None:
        """Another process: nothing that was known holds any more."""
        self.began = now
        self.ready = False
        self.alive = False
        self.status = ""
        self._tallies = {name: Tally(now) for name in self.probes}
        self._whys: dict[str, str] = {}
        self._within = float(self.settings.watchdog) if self.settings.watchdog else 0.0
        self._pinged = now
        self._beat = now
        self._seen = None if self._seen is None else now
        self._asked = False
        self._quiet_until = 0.0
        self._start = float(self.settings.start)
        self._looks: deque[Look] = deque(maxlen=LOOKS)

    def adopt(self) -> None:
        """It runs since before this agent, so it has been ready and alive already."""
        self.ready = self.alive = True

    def probed(self, name: str, *, ok: bool, why: str, now: float) -> None:
        """An answer came, or did not."""
        if name in self._tallies:
            self._tallies[name] = self._tallies[name].add(missed=not ok, now=now, of=self.settings.rules.of)
            self._whys[name] = why
            self._live(now, ok=ok and (self.ready or not self.settings.notify))

    def said(self, said: Said, now: float) -> None:
        """A message of its own came."""
        if said.ready:
            self.ready = True
            self._pinged = now
        if said.watchdog_seconds:
            self._within = said.watchdog_seconds
            self._pinged = now
        if said.watchdog:
            self._pinged = now
        if said.status is not None:
            self.status = said.status
        if said.extend_seconds:
            self._start = max(self._start, now - self.began + said.extend_seconds)
            self._quiet_until = max(self._quiet_until, now + said.extend_seconds if said.stopping else 0.0)
        if said.stopping:
            self._quiet_until = max(self._quiet_until, now + float(self.settings.start))
        self._asked = self._asked or said.trigger
        self._live(now, ok=said.ready or (said.watchdog and (self.ready or not self.settings.notify)))

    def beat(self, now: float) -> None:
        """Its heartbeat file has changed."""
        self._beat = now
        self._live(now, ok=self.ready or not self.settings.notify)

    def peers(self, now: float) -> None:
        """Its heartbeat file is looked at from now on; until that comes to an end, no more is known of it than before."""
        self._seen = now if self._seen is None else self._seen

    def peered(self, began: float, now: float) -> None:
        """A look at its heartbeat file, which `began` then, has come to an end: the time of it is not held against the server.

        After one that took long, on a file system that hung, the server has all of its time again: it may have hung there, too.
        """
        self._seen = began
        within = self.settings.heartbeat.within if self.settings.heartbeat else 0.0
        self._beat = now if now - began > within else min(now, self._beat + now - began)

    def looked(self, look: Look) -> None:
        """What its threads do was looked at."""
        self._looks.append(look)

    def verdict(self, now: float, announced: str = "", *, seen: bool = True) -> Verdict:
        """What is held of it at `now`."""
        if self._asked:
            return Verdict("hung", "asked", "has asked to be restarted (WATCHDOG=trigger)")
        if now < self._quiet_until:
            return Verdict("fine", "stopping", "is stopping by itself, as it has said")
        signs = self.signs(now)
        rules = msgspec.structs.replace(self.settings.rules, start=self._start)
        found = motion(self._looks[0], self._looks[-1]) if len(self._looks) > 1 else None
        running_for = now - self.began
        return judge(rules, signs, found, now, running_for=running_for, alive=self.alive, announced=announced, seen=seen)

    def signs(self, now: float) -> tuple[Sign, ...]:
        """Every source of signs of life, and whether it is silent."""
        found = []
        for name, tally in self._tallies.items():
            silent = tally.misses >= self.settings.misses
            why = f"{self._whys.get(name, 'not asked yet')}, {tally.misses} of the last {len(tally.missed)} missed"
            found.append(Sign(name, silent, tally.since, why))
        if self.settings.notify and not self.ready:
            found.append(Sign("notify", now - self.began >= self._start, self.began, "no READY=1"))
        if self._within and (self.ready or not self.settings.notify):
            late = now - self._pinged > self._within
            found.append(Sign("watchdog", late, self._pinged, f"no WATCHDOG=1 within {Duration(self._within)}"))
        if heartbeat := self.settings.heartbeat:
            late = (now if self._seen is None else min(now, self._seen)) - self._beat > heartbeat.within
            found.append(Sign("heartbeat", late, self._beat, f"{heartbeat.file} has not changed for {heartbeat.within}"))
        return tuple(found)

    def due(self, now: float) -> float:
        """When a sign will next be missed by time alone (inf: by none)."""
        dues = [NEVER]
        if self._within and (self.ready or not self.settings.notify):
            dues.append(self._pinged + self._within)
        if self.settings.heartbeat:
            dues.append(self._beat + self.settings.heartbeat.within)
        if not self.alive:
            dues.append(self.began + self._start)
        return min((due for due in dues if due > now), default=NEVER)

    @property
    def timed(self) -> bool:
        """Whether time alone may make it silent."""
        return bool(self._within or self.settings.heartbeat or self.settings.notify)

    @property
    def needs_look(self) -> bool:
        """Whether one more look would tell what its threads do."""
        return len(self._looks) < 2 or self._looks[-1].at - self._looks[0].at < SHORTEST

    def _live(self, now: float, *, ok: bool) -> None:
        if ok:
            self.alive = True
            if not any(sign.silent for sign in self.signs(now)):
                self._looks.clear()  # what it did while it was silent is of no interest any more
