"""Where a worker's operations are started: due hits go to free lanes, and wait, are late or are dropped where there is none.

Open model: the schedule alone says when; a slow target changes nothing but who waits. Closed model: each user starts anew
once done (`users`). The hot paths are `_wake` (something is due) and `free` (something has ended): plain calls, no task, no
allocation beyond what is kept. What was seen lies in tallies until `worker` has told it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from watchkeeper.stress.faults import Code
from watchkeeper.stress.keeper import Keeper
from watchkeeper.stress.lane import Lane, Maker, Operation, SlowMaker, Tally, weights
from watchkeeper.stress.pace import SHORTEST, Alarm
from watchkeeper.stress.run import LATE, Stage
from watchkeeper.stress.schedule import Mix, Schedule, hits
from watchkeeper.stress.tallies import Tallies
from watchkeeper.stress.users import Users, choices
from watchkeeper.stress.waiting import Waiting

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRACE = 1.0
"""Seconds after a stage's end in which what is due and waiting may still start."""
CLOSE_SECONDS = 0.5
"""How long a lane may take to say goodbye."""
BEAT = 0.02
SWEEP = 0.1


class Floor:
    """One worker's part of the load. `begin` and `stop` a stage; `beat` must be called by the worker's own loop."""

    clock = staticmethod(time.monotonic_ns)

    def __init__(
        self,
        operations: Sequence[Operation],
        timeout: float,
        worker: int,
        workers: int,
        *,
        spin: int = 0,
        seed: int = 0,
        most: float = math.inf,
    ) -> None:
        """`timeout`: seconds for an answer, and to get a lane. `most`: starts a second that users of all workers make at most.

        Nothing runs yet; `make` comes first.
        """
        self.loop = asyncio.get_running_loop()
        self.lanes: list[Lane] = []
        self.keeper = Keeper(self, self.loop)
        self.tallies = Tallies()
        self.waiting = Waiting()
        self.connected = 0
        self.stage: Stage | None = None
        self.is_over = True
        """Whether the stage schedules nothing any more."""
        self._maker: Maker
        self._operations = operations
        self._thinks = [float(one.think) for one in operations]
        self._timeout = int(timeout * 1e9)
        self._worker, self._workers, self._seed = worker, workers, seed
        self._free_lanes: OrderedDict[Lane, None] = OrderedDict()
        self._users = Users(self, self.loop, self._free_lanes)
        self._most = most
        self._known: set[Lane] = set()
        self.nobody = ""
        """The code of the last try where nobody answers; empty where somebody does."""
        self._alarm = Alarm(self.loop, self._wake, spin)
        self.free: Callable[[Lane, Tally, int], None] = self._free_open
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: Callable[[], None] = lambda: None
        self._due: list[int] = []
        self._chosen: list[int] = []
        self._chunks: Iterator[tuple[NDArray[np.int64], NDArray[np.intp]]] = iter(())
        self._next = self._end = 0
        self._is_closed = False
        self._own: list[Tally] = []
        self._index = 0
        self._swept = 0.0

    def make(self, maker: Maker) -> None:
        """Lanes come from here."""
        self._maker = maker

    @property
    def idle(self) -> Tally:
        """See `lane.Floor`."""
        return self.tallies.idle

    # -- lanes ----------------------------------------------------------------------------------------

    def grow(self, count: int) -> None:
        """Have so many lanes, each with a first try at a connection; or fewer, the newest going first."""
        while len(self.lanes) > count:
            lane = self.lanes.pop()
            self._known.discard(lane)
            self.keeper.retire(lane)
            self._unlist(lane)
            lane.cut(Code.ABORTED)
        while len(self.lanes) < count:
            lane = self._maker.lane(len(self.lanes), self)
            self.lanes.append(lane)
            self._known.add(lane)
            self.keeper.want(lane)

    def up(self, lane: Lane) -> None:
        """See `lane.Floor`."""
        if not lane.is_up:
            lane.is_up = True
            self.connected += 1
            self.idle.count("connected")
            self.nobody = ""
            self.keeper.rested(lane)
        if lane.room and not lane.listed:
            self._offer(lane, self.clock())

    def down(self, lane: Lane, tally: Tally | None, code: str, text: str = "") -> None:
        """See `lane.Floor`."""
        self._mark_down(lane)
        self.nobody = code
        if tally is not None:
            pause = self.keeper.rest(lane, self._rested)
            self._users.again(tally, pause)
        elif code not in self.idle.gone_wrong:
            self.idle.gone_wrong.add(code)
            self.idle.fresh.append((code, text[:500]))

    def lost(self, lane: Lane, code: str) -> None:
        """See `lane.Floor`."""
        if lane.is_up:
            self._mark_down(lane)
            if code not in {Code.ABORTED, Code.CUT}:
                self.idle.count("disconnected")
        if lane.keeps:
            self._unlist(lane)
            if lane in self._known:
                self.keeper.want(lane, since=self.clock())

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """See `lane.Floor`."""
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End everything: connections, tasks, timers."""
        self._alarm.close()
        self.is_over = True
        for lane in self.lanes:
            self.keeper.retire(lane)
        lanes, self.lanes = self.lanes, []
        self._known.clear()
        for lane in lanes:
            lane.cut(Code.ABORTED)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- stages ---------------------------------------------------------------------------------------

    def begin(self, stage: Stage, at: int, over: Callable[[], None]) -> None:
        """Run a stage from the instant `at` (ns); `over` is called when it schedules nothing any more."""
        self.waiting.drop(at, self.clock())  # of an earlier stage: its time is over, and so is its load
        self.stage, self._over, self.is_over = stage, over, False
        self._own, self._index = self.tallies.begin(stage.index, self._operations), stage.index
        self._end = at + int(stage.seconds * 1e9)
        self._is_closed = stage.model == "closed"
        self.free = self._users.free if self._is_closed else self._free_open
        mix = Mix(weights(self._operations, stage.operations), self._seed)
        if isinstance(self._maker, SlowMaker):
            self._maker.read(stage.reading)
            for lane in self.lanes:
                if not lane.room:
                    self._unlist(lane)
                self._offer(lane, at)
        lead = max(0.0, (at - self.clock()) / 1e9)
        if self._is_closed:
            users = (stage.users - self._worker + self._workers - 1) // self._workers
            self._chunks, self._due, self._next = iter(()), [], 0
            share = self._most * users / stage.users if users else self._most
            chosen = choices(mix, self._worker, self._workers)
            self._users.begin(users, self._own, self._thinks, chosen, at, self._end, share)
            self._alarm.set(self._end)
        else:
            schedule = Schedule(stage.profile, stage.arrival, self._seed + stage.index)
            self._chunks = hits(schedule, mix, self._worker, self._workers, at)
            self._refill()
            self._arm()
        if stage.cut:
            self.loop.call_later(lead, self._cut_all)

    def stop(self) -> None:
        """Schedule nothing any more, as if the stage's time were over."""
        if not self.is_over:
            self._end = min(self._end, self.clock())
            self._due, self._next = [], 0
            self._chunks = iter(())
            self._finish()

    def abort(self) -> None:
        """Stop, and end everything that is under way."""
        self.stop()
        self._known.clear()
        self.waiting.drop(self.clock(), self.clock())
        for lane in list(self.lanes):
            self.keeper.retire(lane)
            lane.cut(Code.ABORTED)

    def has_drained(self, stage: int) -> bool:
        """Whether a stage schedules nothing, and all of it has ended."""
        if stage == self._index and (not self.is_over or self.waiting.hits):
            return False
        return not self.tallies.is_under_way(stage)

    def settle(self, stage: int) -> None:
        """A stage has drained: the leaf counts what could only be known now; once told, nothing is held of it any more."""
        if stage == self._index:  # where another runs already, what is under way belongs to that one: it is told by its end
            self._maker.settle(stage)
        self.tallies.settle(stage)

    def beat(self) -> None:
        """What has to be looked at now and then: what is overdue, and lists that have grown long. Every `BEAT` seconds."""
        now = self.clock()
        self.tallies.fold_long()
        if now / 1e9 - self._swept < SWEEP:
            return
        self._swept = now / 1e9
        before = now - self._timeout
        for lane in self.lanes:
            lane.sweep(before)
        is_late = self.is_over and now > self._end + int(GRACE * 1e9)
        self.waiting.drop(now if is_late else before, now)

    # -- the open model -------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Start everything that is due."""
        clock, free, due, chosen, mine = self.clock, self._free_lanes, self._due, self._chosen, self._own
        lags, at, end = self.tallies.lag.values.append, self._next, len(self._due)
        while True:
            now = clock()
            if at >= end:
                self._next = at
                if not self._refill():
                    break
                due, chosen, at, end = self._due, self._chosen, 0, len(self._due)
            intended = due[at]
            if intended > now:
                break
            tally = mine[chosen[at]]
            at += 1
            tally.scheduled += 1
            if free:
                lane, _ = free.popitem(last=False)
                lane.listed = False
                tally.started += 1
                tally.unended += 1
                lags(now - intended)
                if now - intended > LATE:
                    tally.late += 1
                lane.start(tally, intended, now)
                if lane.room and not lane.listed:
                    lane.listed = True
                    free[lane] = None
            else:
                self._no_lane(tally, intended, now)
        self._next = at
        self._arm()

    def _no_lane(self, tally: Tally, intended: int, now: int) -> None:
        if self.nobody and not self.connected:
            tally.begin()
            tally.fail(self.nobody, now - intended)
        else:
            self.waiting.add(tally, intended, now)

    def _free_open(self, lane: Lane, tally: Tally, now: int) -> None:  # as the closed model has it
        """An operation has ended: the next one that waits, or rest."""
        waiting = self.waiting.hits
        while waiting and lane.room:
            tally, intended = waiting.popleft()
            tally.begin()
            if now - intended > LATE:
                tally.late += 1
            lane.start(tally, intended, now)
        if lane.room and not lane.listed:
            lane.listed = True
            self._free_lanes[lane] = None

    def _refill(self) -> bool:
        found = next(self._chunks, None)
        if found is None:
            self._due, self._chosen, self._next = [], [], 0
            return False
        due, chosen = found
        self._due, self._chosen, self._next = due.tolist(), chosen.tolist(), 0
        return True

    def _arm(self) -> None:
        if self._next < len(self._due):
            self._alarm.set(max(self._due[self._next], self.clock() + SHORTEST))
        elif self.is_over:
            return
        elif self.clock() >= self._end:
            self._finish()
        else:
            self._alarm.set(self._end)

    def _finish(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._users.stop()
            self._alarm.stop()
            self._over()

    # -- leaves ---------------------------------------------------------------------------------------

    def _offer(self, lane: Lane, now: int) -> None:
        """A lane has room: to whoever waits, else it waits itself."""
        if self._is_closed:
            self._users.offer(lane)
        else:
            self._free_open(lane, self.idle, now)

    def _rested(self, lane: Lane) -> None:
        """After its pause a lane without a connection may be asked again: it tries to connect then."""
        if not lane.is_up and not lane.listed and lane.room and lane in self._known and not lane.keeps:
            self._offer(lane, self.clock())

    def _unlist(self, lane: Lane) -> None:
        if lane.listed:
            lane.listed = False
            del self._free_lanes[lane]

    def _mark_down(self, lane: Lane) -> None:
        if lane.is_up:
            lane.is_up = False
            self.connected -= 1

    def _cut_all(self) -> None:
        for lane in list(self.lanes):
            lane.cut(Code.CUT)
