"""Stage after stage, as the course says: connect, begin, watch it, wait until all of it has ended, judge, write down.

The guards are here too: what ends a run for the sake of this machine. What a stage came to is decided by `course`,
`health` and `recovery`; this room only brings them what they need.
"""

from __future__ import annotations

import math
import time
from collections import deque

import msgspec

from watchkeeper.stress import course, phases, recovery, talk
from watchkeeper.stress import health as generator
from watchkeeper.stress.backlog import left_behind
from watchkeeper.stress.course import Course, End
from watchkeeper.stress.desk import Abort, Desk, Watcher
from watchkeeper.stress.faults import Code, blame
from watchkeeper.stress.floor import GRACE
from watchkeeper.stress.gathering import MOMENTS, StageTotals
from watchkeeper.stress.histogram import Histogram
from watchkeeper.stress.objective import NEEDED, QUANTILES, tally
from watchkeeper.stress.plan import Plan
from watchkeeper.stress.recovery import Baseline, Moment
from watchkeeper.stress.run import Ended, Held, Stage, Window
from watchkeeper.stress.search import Result
from watchkeeper.stress.surroundings import memory_free

LEAD = 50_000_000
"""ns between the order to begin and the beginning, so that all workers have heard it."""
CONNECT_SECONDS = 60.0
"""All connections must have had their first try within so long beyond what their rate makes of it."""
CALM = {"spike", "overload", "recovery", "storm", "steps"}
"""Kinds in which operations may fail without a guard's ending the run: that is what they are for."""
GUARDED = 10
"""Seconds over which failures are looked at."""


class Staging:
    """One run's stages. `results` and `held` are what the verdict stands on."""

    def __init__(self, desk: Desk, plan: Course, watcher: Watcher) -> None:
        """Nothing has been run."""
        self.results: list[Result] = []
        self.held: list[tuple[Stage, Held]] = []
        self._desk = desk
        self._course = plan
        self._watcher = watcher
        self._stage: Stage | None = None
        self._connections = -1
        self._before: Baseline | None = None
        self._began = 0.0
        self._is_cut_short = ""
        self._lately: deque[Moment] = deque(maxlen=GUARDED)

    async def carry_out(self) -> str:
        """Run everything; returns why the plan was not carried out whole, or nothing."""
        while True:
            move = course.decide(self._course, self.results)
            if isinstance(move, End):
                for text in course.skipped(self._course, self.results):
                    self._say(text)
                if move.early:
                    self._say(f"the run ends: {move.early}")
                return move.early
            await self._run(move.stage)

    def see(self, moment: Moment, index: int) -> None:
        """A second is whole: tell who watches, and see whether a recovery has come to its end."""
        stage = self._stage
        if stage is None or stage.index != index:
            return
        self._watcher.saw(moment, stage, self._desk.gathering.connections)
        self._lately.append(moment)
        phase = self._course.plan.phase[stage.phase]
        if isinstance(phase, phases.Recovery) and self._before is not None and not self._is_cut_short:
            moments = self._desk.gathering.stage(index).moments
            if recovery.recovered(moments, self._before, phase.held, self._began) is not None:
                self._is_cut_short = "recovered"
                self._desk.crew.order(talk.Stop(now=False))

    def guard(self) -> str:
        """Why the run must end now for the sake of this machine or its target; empty when it need not."""
        safety = self._course.plan.safety
        if self._desk.now > safety.max_time + safety.cool_down:
            return f"it has taken safety.max_time ({safety.max_time})"
        if (free := memory_free()) < safety.memory:
            return f"{free:.1%} of this machine's memory is free, less than safety.memory"
        if self._stage is not None and self._stage.kind not in CALM and len(self._lately) == GUARDED:
            ended = sum(one.done + one.failed for one in self._lately)
            failed = sum(one.failed for one in self._lately)
            if ended and failed / ended > safety.errors:
                return f"{failed / ended:.0%} of operations failed for {GUARDED} s, more than safety.errors"
        return ""

    # -- one stage --------------------------------------------------------------------------------------

    async def _run(self, stage: Stage) -> None:
        """A stage, and the one that begins in the instant of its end, if there is one."""
        await self._connect(stage)
        began = self._begin(stage, LEAD + self._desk.crew.distance)
        seconds = await self._over(stage, began)
        following = course.at_once(self._course, self.results, stage)
        began_after = self._begin(following, self._desk.crew.distance) if following is not None else 0.0
        await self._settle(stage, began, seconds, "", alone=following is None)
        if following is not None:
            seconds = await self._over(following, began_after)
            await self._settle(following, began_after, seconds, self._is_cut_short, alone=True)
        self._stage = None

    def _begin(self, stage: Stage, lead: int) -> float:
        """Have a stage begin; returns when, in seconds into the run."""
        desk = self._desk
        self._stage, self._is_cut_short = stage, ""
        self._lately.clear()
        if stage.kind == "recovery":
            self._before = self._baseline()
        at = time.monotonic_ns() + lead
        began = (at - desk.zero) / 1e9
        self._began = began
        desk.gathering.stage(stage.index).middle = int(began + stage.seconds / 2)
        desk.recording.begin(stage, round(began, 6))
        self._watcher.staged(stage)
        desk.crew.order(talk.Begin(stage, at))
        if stage.wanted:
            most = f"held down to {stage.level:.6g}/s, the most that safety and generator allow"
            self._note(f"{stage.name}: {stage.wanted:.6g}/s were wanted, {most}")
        return began

    async def _over(self, stage: Stage, began: float) -> float:
        """Wait until nothing of it is scheduled any more; returns how many seconds it ran for."""
        desk = self._desk
        totals, workers = desk.gathering.stage(stage.index), len(desk.crew.members)
        if not await desk.wait(lambda: len(totals.over) == workers, stage.seconds + READY_TO_SAY):
            raise Abort(f"the workers did not end the stage {stage.name} in time: this machine is too busy")
        return desk.now - began if self._is_cut_short else stage.seconds

    async def _settle(self, stage: Stage, began: float, seconds: float, cut_short: str, *, alone: bool) -> None:
        """Wait until everything that it has started has ended, and judge it. `alone`: no other stage runs meanwhile."""
        desk = self._desk
        totals, workers = desk.gathering.stage(stage.index), len(desk.crew.members)
        limit = drain_seconds(self._course.plan)
        drained = await desk.wait(lambda: len(totals.settled) == workers, limit)
        if not drained:
            self._give_up(stage, totals, limit)
        desk.gathering.write(int(desk.now), everything=alone)  # another one's second is not cut in two
        self._end(stage, totals, began, seconds, drained=drained, cut_short=cut_short)
        desk.gathering.forget(stage.index)

    def _give_up(self, stage: Stage, totals: StageTotals, waited: float) -> None:
        """What has not ended counts as failed, for nobody knows better: in the totals, and in the record."""
        desk, many = self._desk, 0
        for name, one in totals.by_operation.items():
            if (left := one.started - one.done - one.failed) > 0:
                many += left
                tally(one.errors, {Code.UNENDED: left})
                desk.recording.window(Window(int(desk.now), stage.index, name, errors={Code.UNENDED: left}))
        if many:
            self._note(f"{stage.name}: {many} operations had not ended {waited:.0f} s after it, and count as failed")

    async def _connect(self, stage: Stage) -> None:
        """Have as many connections as the stage wants."""
        desk, plan = self._desk, self._course.plan
        if stage.connections == self._connections:
            return
        more = max(0, stage.connections - max(self._connections, 0))
        self._connections = stage.connections
        members = desk.crew.members
        desk.tries.clear()
        for member in members:
            share = (stage.connections + len(members) - 1 - member.number) // len(members)
            member.order(talk.Connect(share, plan.connect_rate / len(members)))
        seconds = more / plan.connect_rate + CONNECT_SECONDS + float(plan.timeout)
        if not await desk.wait(lambda: len(desk.tries) == len(members), seconds):
            raise Abort(f"{stage.connections} connections were not tried within {seconds:.0f} s: this machine is too busy")
        failed: dict[str, int] = {}
        for tries in desk.tries.values():
            for code, many in tries.items():
                if code:
                    failed[code] = failed.get(code, 0) + many
        if failed:
            told = ", ".join(f"{many} {code}" for code, many in failed.items())
            self._say(f"of {stage.connections} connections could not be made: {told}")

    def _end(self, stage: Stage, totals: StageTotals, began: float, seconds: float, *, drained: bool, cut_short: str) -> None:
        """Judge a stage that has ended, and write it down."""
        plan, desk = self._course.plan, self._desk
        for one in totals.by_operation.values():
            one.seconds, one.midway_at = seconds, max(0.0, totals.middle - began)
        whole = totals.whole
        totals.gate.ours = sum(
            many
            for code, many in (*whole.errors.items(), *totals.missing.items())
            if blame(code) == "ours" and code not in {Code.CUT, Code.ABORTED}
        )
        validity = generator.judge(totals.gate, whole.service.quantile(0.5) / 1e9, plan.generator.limits)
        held, decision = course.say(plan, stage, whole, totals.by_operation, validity, totals.missing)
        if stage.kind == "recovery" and self._before is not None:
            decision = self._recovered(stage, totals.moments, began)
        ended = Ended(
            stage.index,
            round(began, 6),
            round(began + seconds, 6),
            whole.scheduled,
            whole.started,
            whole.done,
            whole.late,
            whole.dropped,
            whole.errors,
            whole.counts,
            whole.offered,
            whole.achieved,
            _quantiles(whole.latency),
            _quantiles(whole.service),
            _quantiles(whole.clean.latency),
            held,
            validity,
            decision,
            drained,
            cut_short,
            totals.missing,
            round(left_behind(stage, whole) / whole.scheduled, 6) if stage.model == "open" and whole.scheduled else None,
        )
        desk.recording.end(ended)
        inside = [one.p95 for one in totals.moments if began <= one.second and one.second + 1 <= began + seconds]
        self.results.append(Result(stage, ended, tuple(inside)))
        self.held += [(stage, one) for one in course.counted(stage, held)]
        self._say(f"{stage.name}: {decision}")
        found = tuple(course.knees(self._course, self.results))
        if len(found) > len(desk.recording.run.knees):
            desk.recording.update(msgspec.structs.replace(desk.recording.run, knees=found))
            knee = found[-1]
            self.held += course.counted_of_search(stage.phase, knee, self.results)
            self._say(f"knee: {knee.sustained:.6g} held" + (f", {knee.broken:.6g} broke" if knee.broken else f" ({knee.why})"))

    def _recovered(self, stage: Stage, moments: list[Moment], began: float) -> str:
        phase = self._course.plan.phase[stage.phase]
        assert isinstance(phase, phases.Recovery)
        assert self._before is not None
        after = self.results[-1].stage.name if self.results else "the start"
        found = recovery.judge(moments, self._before, phase.held, after, float(phase.within), began)
        run = self._desk.recording.run
        self._desk.recording.update(msgspec.structs.replace(run, recoveries=(*run.recoveries, found)))
        return found.text

    def _baseline(self) -> Baseline | None:
        """What the last baseline was like."""
        for result in reversed(self.results):
            ended = result.ended
            p95 = ended.clean.get("p95", ended.quantiles.get("p95"))
            if result.stage.kind in phases.BASELINES and p95 is not None:
                failed = sum(ended.errors.values()) + ended.dropped
                usual = failed / ended.scheduled if ended.scheduled else 0.0
                whole_seconds = min(int(ended.ended) - math.ceil(ended.began), MOMENTS)
                return recovery.baseline(p95, result.p95s, max(0.001, 2 * usual), whole_seconds)
        return None

    def _note(self, text: str) -> None:
        """Say something that whoever reads the record must know too."""
        run = self._desk.recording.run
        self._desk.recording.update(msgspec.structs.replace(run, notes=(*run.notes, text)))
        self._say(text)

    def _say(self, text: str) -> None:
        self._desk.note("decision", text)
        self._watcher.said(text)


READY_TO_SAY = 30.0
"""Seconds that a worker may be late with the word that its stage is over."""


def drain_seconds(plan: Plan) -> float:
    """How long a stage's end may take: what waits is started or dropped, what is under way ends or times out.

    Each step of a sequence may take the time-out, and thinks after it.
    """
    timeout = float(plan.timeout)
    sequences = [getattr(one, "steps", ()) for one in plan.mix]
    longest = max((sum(timeout + float(step.think) for step in steps) for steps in sequences), default=0.0)
    return GRACE + timeout + max(timeout, longest) + 5.0


def _quantiles(histogram: Histogram) -> dict[str, float]:
    """The percentiles that there are enough values for, in seconds."""
    names = [name for name in QUANTILES if histogram.total >= NEEDED[name]]
    found = histogram.quantiles([QUANTILES[name] for name in names])
    return {name: value / 1e9 for name, value in zip(names, found, strict=True) if math.isfinite(value)}
