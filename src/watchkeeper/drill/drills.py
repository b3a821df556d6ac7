"""All drills of a hub: begun by people or by the schedule, one at a time, and what is known of those before.

The hub makes one, joins its ends (`Ends`) and runs it as a task. While a drill goes on, the judge asks `is_part` which
alerts are its own, and whoever tells asks `channels` where they go.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.drill import SCENARIOS, Leaf, scenario
from watchkeeper.drill.certificate import as_html, as_json, level
from watchkeeper.drill.course import Course, Terms
from watchkeeper.drill.real import Real
from watchkeeper.drill.scene import ROOM, Outside, Stage
from watchkeeper.drill.seam import is_pretended, pretended
from watchkeeper.drill.settings import DrillSettings
from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import Journal
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.drills import Record
from watchkeeper.model import Event, EventKind, Family, Labels, Severity, new_id
from watchkeeper.telling import Drill, DrillLeg

logger = logging.getLogger(__name__)

SLACK_SECONDS = 60.0
"""What a drill's fault may take to be noticed, beside its rule's own time."""
MOST_REMEMBERED = 50
"""Drills of which it is known over which channels they were told, for what is told of them after their end."""
LOOK_SECONDS = 30.0
"""How often it is looked whether the schedule has come due, at the latest: clocks are set."""

FAMILIES = (
    Family("watchkeeper_drill_running", "gauge", "Whether a drill goes on."),
    Family("watchkeeper_drills", "gauge", "Drills that are kept, by how they ended."),
    Family("watchkeeper_drill_success_timestamp_seconds", "gauge", "When a drill passed last; no value: never."),
    Family(
        "watchkeeper_drill_age_seconds",
        "gauge",
        "Since when no drill has passed; before the first one, since this hub keeps a journal.",
    ),
    Family(
        "watchkeeper_drill_leg_seconds",
        "gauge",
        "From the fault to this `leg`, in the last drill of the `scenario` that passed.",
    ),
)


class Ask(NamedTuple):
    """What is wanted. `yes_really` must be given for a real server."""

    scenario: str
    channels: tuple[str, ...] = ()
    machine: str = ""
    server: str = ""
    acknowledge: float = 0.0
    yes_really: bool = False


class Ends(NamedTuple):
    """What drills need of the hub."""

    outside: Outside
    known: Callable[[], Sequence[str]]
    """The channels there are."""
    holds: Callable[[Sequence[str]], float]
    """How long, in seconds, the slowest rule of these names must hold before it fires."""
    waits: Callable[[], float]
    """How long routes wait before a message, in seconds."""
    tell: Callable[[Event], None]
    forget: Callable[[str], None]
    """A machine is no more."""


class Drills:
    """All of them."""

    def __init__(self, settings: DrillSettings, journal: Journal, clock: Clock, data: Path, ends: Ends) -> None:
        """Nothing runs before `run`."""
        self.settings = settings
        self._journal = journal
        self._clock = clock
        self._folder = data / "drills"
        self._scene = data / "drill"
        self._ends = ends
        self._course: Course | None = None
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._is_swept = False
        self._told_over: dict[tuple[str, str], tuple[str, ...]] = {}
        self._record = Record({}, (), 0)
        self.next_at = 0
        """When the schedule begins the next one (ms; 0: never)."""

    # -- what others ask while one goes on ----------------------------------------------------------------

    def is_part(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert that begins now, with these labels, is a drill's."""
        machine = labels.get("machine", "")
        if is_pretended(machine):
            return True
        drill = self.current
        return drill is not None and (machine, labels.get("server", "")) == (drill.machine, drill.server)

    def channels(self, machine: str = "", server: str = "") -> tuple[str, ...]:
        """Where the drill done to that server is told, also after its end; none: as routes say."""
        return self._told_over.get((machine, "" if is_pretended(machine) else server), ())

    @property
    def current(self) -> Drill | None:
        """The one that goes on."""
        return self._course.drill if self._course is not None else None

    # -- what people ask ------------------------------------------------------------------------------------

    def scenarios(self) -> list[tuple[type[Leaf], str]]:
        """Each scenario, and why it cannot be done here (empty: it can)."""
        return [(kind, scenario(name, self.settings).unavailable()) for name, kind in SCENARIOS.items()]

    async def start(self, ask: Ask, by: str, peer: str = "") -> Drill:
        """Begin one; it goes on by itself. Raises Refused where it must not be, or another goes on."""
        leaf = scenario(ask.scenario, self.settings)
        self._check(leaf, ask)
        at = milliseconds(self._clock.wall())
        identity = new_id(at)
        drill = Drill(
            id=identity, at=at, scenario=leaf.NAME, by=by, state="preparing",
            machine=ask.machine if isinstance(leaf, Real) else pretended(identity),
            server=ask.server if isinstance(leaf, Real) else "canary",
            channels=ask.channels, wait_acknowledge=round(ask.acknowledge * 1000),
        )  # fmt: skip
        is_real = isinstance(leaf, Real)
        stage = Stage(
            self._scene, drill.id, self._ends.outside, drill.machine if is_real else "", drill.server if is_real else ""
        )
        self._told_over[drill.machine, drill.server if isinstance(leaf, Real) else ""] = drill.channels
        while len(self._told_over) > MOST_REMEMBERED:
            self._told_over.pop(next(iter(self._told_over)))
        course = self._course = Course(drill, leaf, stage, self._journal, self._clock, self._terms(leaf, ask), self._keep)
        try:
            await self._journal.audit.add(Entry(at, by, peer, "drill", f"{leaf.NAME}: {drill.server} on {drill.machine}"))
            await self._journal.drills.keep(drill)
        except Failed:
            self._course = None
            raise
        assert self._group is not None, "drills are begun while the hub runs"
        self._happen(EventKind.DRILL_STARTED, f"A drill has begun: {leaf.ABOUT}", drill, "info")
        self._task = self._group.create_task(self._carry_out(course), name=f"drill {leaf.NAME}")
        return drill

    async def call_off(self, identity: str) -> Drill:
        """End one before its time: its fault is undone; raises Refused where it does not go on."""
        drill = self.current
        if drill is None or drill.id != identity or self._task is None:
            raise Refused("this drill does not go on", code="drill-over")
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([self._task])
        return await self._journal.drills.one(identity)

    async def one(self, identity: str) -> Drill:
        """One by its id; raises Refused (``unknown-drill``)."""
        if self.current is not None and self.current.id == identity:
            return self.current
        return await self._journal.drills.one(identity)

    # -- at work --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Undo what an earlier hub has left, then begin what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._sweep()
            self._is_swept = True
            self._record = await self._recorded()
            while True:
                now = milliseconds(self._clock.wall())
                self.next_at = self.settings.due_after(now)
                pause = min(LOOK_SECONDS, (self.next_at - now) / 1000) if self.next_at else LOOK_SECONDS
                due = self.next_at
                await asyncio.sleep(max(0.01, pause))
                if due and milliseconds(self._clock.wall()) >= due:
                    await self._begin_by_schedule()

    def figures(self) -> list[tuple[Family, list[tuple[Labels, float]]]]:
        """What rules and charts are told of drills."""
        running, counts, success, age, legs = FAMILIES
        passed = self._record.passed
        last = max((one.ended_at for one in passed), default=0)
        since = last or self._record.began_at
        now = self._clock.wall()
        return [
            (running, [((), float(self._course is not None))]),
            (counts, [((("state", state),), float(number)) for state, number in sorted(self._record.counts.items())]),
            (success, [((), last / 1000 if last else math.nan)]),
            (age, [((), max(0.0, now - since / 1000) if since else math.nan)]),
            (legs, [pair for one in passed for pair in _leg_figures(one)]),
        ]

    async def _begin_by_schedule(self) -> None:
        number = sum(self._record.counts.values())
        name = self.settings.scenarios[number % len(self.settings.scenarios)]
        try:
            await self.start(Ask(name, self.settings.channels, acknowledge=float(self.settings.acknowledge)), "the schedule")
        except (Refused, Failed) as fault:
            logger.error("the drill that was due cannot be done: %s", fault.why)  # noqa: TRY400  # an operator's to mend
            at = milliseconds(self._clock.wall())
            text = f"The drill {name} that was due cannot be done: {fault.why}"
            self._ends.tell(Event(new_id(at), at, EventKind.DRILL_ENDED, text, severity="warning"))

    async def _carry_out(self, course: Course) -> None:
        try:
            await course.run()
        finally:
            drill = course.drill
            self._course = self._task = None
            if not course.is_real:
                self._ends.forget(drill.machine)
            passed = drill.state == "passed"
            text = f"The drill {drill.scenario} has {drill.state}: {level(drill) if passed else drill.why or level(drill)}"
            self._happen(EventKind.DRILL_ENDED, text, drill, "info" if passed else "warning")
            await self._certify(drill)
            with suppress(Failed):
                self._record = await self._journal.drills.record()

    async def _keep(self, drill: Drill) -> None:
        await self._journal.drills.keep(drill)

    async def _recorded(self) -> Record:
        while True:
            try:
                return await self._journal.drills.record()
            except Failed as fault:
                logger.warning("drills wait for the journal: %s", fault.why)
                await asyncio.sleep(LOOK_SECONDS)

    async def _sweep(self) -> None:
        """What an earlier hub has left in the middle: its guardian has undone it, unless it was killed as well."""
        if self._scene.exists():
            mark = await asyncio.to_thread(_mark, self._scene)
            words = (sys.executable, "-I", "-S", str(ROOM / "guardian.py"), mark, str(self._scene), "0")
            process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
            )
            await process.wait()
        with suppress(Failed):
            for drill in await self._journal.drills.open():
                if is_pretended(drill.machine):
                    self._ends.forget(drill.machine)
                now = milliseconds(self._clock.wall())
                why = "the hub ended in the middle of it; its guardian has undone the fault"
                over = msgspec.structs.replace(drill, state="interrupted", ended_at=now, why=why)
                await self._journal.drills.keep(over)
                await self._certify(over)
                self._happen(EventKind.DRILL_ENDED, f"The drill {drill.scenario} was interrupted: {why}", over, "warning")

    async def _certify(self, drill: Drill) -> None:
        try:
            await asyncio.to_thread(_write, self._folder, drill)
        except OSError as fault:
            logger.error("the certificate of a drill cannot be written to %s: %s", self._folder, fault.strerror)  # noqa: TRY400  # the disk's

    def _check(self, leaf: Leaf, ask: Ask) -> None:
        if self._course is not None:
            raise Refused("another drill goes on; one at a time", code="drill-running")
        if why := leaf.unavailable():
            raise Refused(f"the scenario {leaf.NAME} cannot be done here: {why}", code="drill-unavailable")
        known = self._ends.known()
        if not known:
            raise Refused("there is no [channel.NAME], so nobody would be told", code="no-channel")
        if unknown := next((name for name in ask.channels if name not in known), ""):
            raise Refused(f"there is no channel {unknown!r}", code="unknown-channel")
        if not 0 <= ask.acknowledge <= 86400:
            raise Refused("acknowledge: expected at most a day", code="bad-request")
        if isinstance(leaf, Real):
            self._check_real(ask)
        elif ask.machine or ask.server:
            raise Refused(
                f"the scenario {leaf.NAME} is done to a canary; a real server is the scenario `server`", code="bad-request"
            )
        if not self._is_swept:
            raise Refused(
                "a drill that an earlier hub has left is still being undone; try again in a moment", code="drill-running"
            )

    def _check_real(self, ask: Ask) -> None:
        if not ask.machine or not ask.server:
            raise Refused("say which server, and on which machine", code="bad-request")
        if not ask.yes_really:
            raise Refused(f"this stops {ask.server} on {ask.machine} for its users; say --yes-really", code="not-really")
        status = next((one for one in self._ends.outside.statuses(ask.machine) if one.name == ask.server), None)
        if status is None:
            raise Refused(f"there is no server {ask.server!r} on {ask.machine}", code="unknown-server")
        if "drill" not in status.allowed:
            raise Refused(
                f"{ask.server} does not consent to drills: its own table must say drill = true ([server.{ask.server}])",
                code="no-consent",
            )

    def _terms(self, leaf: Leaf, ask: Ask) -> Terms:
        waits = self._ends.waits() if self.settings.waits else 0.0
        holds = self._ends.holds(leaf.RULES)
        return Terms(
            fires=holds + SLACK_SECONDS,
            delivered=90.0 + waits,
            acknowledged=ask.acknowledge,
            told=120.0 + waits,
            longest=float(self.settings.longest),
        )

    def _happen(self, kind: EventKind, text: str, drill: Drill, severity: Severity) -> None:
        at = milliseconds(self._clock.wall())
        facts = {"drill": drill.id, "scenario": drill.scenario, "by": drill.by, "state": drill.state}
        machine, server = ("", "") if is_pretended(drill.machine) else (drill.machine, drill.server)
        self._ends.tell(Event(new_id(at), at, kind, text, machine, server, severity, facts))


def _leg_figures(drill: Drill) -> list[tuple[Labels, float]]:
    fault = drill.leg("fault")
    firsts: dict[str, DrillLeg] = {}
    for leg in drill.legs:
        firsts.setdefault(leg.name, leg)
    return [
        ((("leg", name), ("scenario", drill.scenario)), (leg.at - fault) / 1000)
        for name, leg in firsts.items()
        if name != "fault"
    ]


def _mark(folder: Path) -> str:
    try:
        return (folder / "mark").read_text(encoding="ascii").strip() or "none"
    except (OSError, UnicodeDecodeError):
        return "none"


def _write(folder: Path, drill: Drill) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for ending, content in (("json", as_json(drill)), ("html", as_html(drill).encode())):
        fresh = folder / f"{drill.id}.{ending}.new"
        fresh.write_bytes(content)
        fresh.replace(folder / f"{drill.id}.{ending}")
