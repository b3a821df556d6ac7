"""One worker process: takes the coordinator's orders, makes its part of the load, tells each second what it has seen.

Run as ``python -m watchkeeper.stress.worker FD``, where FD is one end of a socket pair. It ends when the other end does,
whatever has become of the coordinator, and leaves nothing behind. Nothing is written to disk here.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from watchkeeper.errors import ConfigError
from watchkeeper.fetch import tls_context
from watchkeeper.stress import talk
from watchkeeper.stress.floor import BEAT, Floor
from watchkeeper.stress.health import LOOK, Watch, descriptors_allowed
from watchkeeper.stress.lane import Ground, Tally
from watchkeeper.stress.plan import SECURE, read
from watchkeeper.stress.talk import Drained

COLLECT_AFTER = 50_000
"""Allocations before the youngest objects are looked through: a collection stops everything for its time."""


class Worker:
    """The process's state: its floor, its eye on itself, and the line to the coordinator."""

    def __init__(self, prepare: talk.Prepare, writer: asyncio.StreamWriter) -> None:
        """Raises ConfigError when the plan's protocol cannot be made ready."""
        plan, _ = read({"plan.toml": prepare.plan})
        assert plan.protocol is not None, "the coordinator sends settled plans"
        self.loop = asyncio.get_running_loop()
        self.prepare = prepare
        ground = Ground(
            url=prepare.url,
            address=prepare.address,
            tls=_tls(prepare.url, verify=plan.target.verify),
            server_name=prepare.server_name,
            timeout=float(plan.timeout),
            worker=prepare.worker,
            workers=prepare.workers,
            seed=prepare.seed,
            sources=prepare.sources,
            visits=prepare.visits,
        )
        self.floor = Floor(
            plan.protocol.mix(prepare.url),
            float(plan.timeout),
            prepare.worker,
            prepare.workers,
            spin=prepare.spin,
            seed=prepare.seed,
            most=plan.safety.max_rate,
        )
        self.floor.make(plan.protocol.prepare(ground))
        self.operations = tuple(one.name for one in plan.protocol.mix(prepare.url))
        self.watch = Watch(prepare.worker)
        self._writer = writer
        self._told_at = self.floor.clock()
        self._second = self._now_second()
        self._draining: list[int] = []
        self._connecting = 0
        self._beaten = 0.0

    def say(self, said: talk.Report) -> None:
        """Tell the coordinator; what it is too slow to take waits in memory, which it bounds by ending the run."""
        self._writer.write(talk.written(said))

    def obey(self, order: talk.Order) -> bool:
        """Carry an order out; False: it was the last."""
        match order:
            case talk.Connect(count=count, rate=rate):
                self.floor.keeper.rate = rate
                self.floor.keeper.reset()
                self._connecting = max(0, count - len(self.floor.lanes))
                self.floor.grow(count)
                self._look_at_connections()
            case talk.Begin(stage=stage, at=at):
                gc.collect()
                gc.freeze()
                self.tell()  # so that what is told next is of this stage alone
                self.floor.begin(stage, at, self._over)
            case talk.Stop(now=True):
                self.floor.abort()
            case talk.Stop():
                self.floor.stop()
            case talk.Quit():
                return False
            case talk.Clock(sent=sent):
                self.say(talk.Clocked(sent, time.monotonic_ns()))
            case talk.Prepare():
                raise AssertionError("prepared already")
        return True

    def beat(self) -> None:
        """Every few ms: look at ourselves; now and then at what is overdue, and at each second tell."""
        self.loop.call_later(LOOK, self.beat)
        self.floor.tallies.mark(starved=self.watch.look())
        now = self.loop.time()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        self.floor.beat()
        if self._connecting:
            self._look_at_connections()
        if self._now_second() != self._second:
            self.tell(whole=True)
            self.floor.tallies.forget()
        while self._draining and self.floor.has_drained(self._draining[0]):
            stage = self._draining.pop(0)
            self.floor.settle(stage)
            self.tell()
            self.say(talk.Settled(stage))

    def tell(self, *, whole: bool = False) -> None:
        """Everything seen since the last time, as of the second that it began in; `whole`: that second is over."""
        second, now = self._second, self.floor.clock()
        rows = []
        self.floor.tallies.mark(starved=self.watch.look())
        for tally in self.floor.tallies.all:
            tally.fold()
            if (row := _row(tally, second)) is not None:
                rows.append(row)
        health = self.watch.told(max(second, 0))
        health.connections = self.floor.connected
        health.in_flight = self.floor.tallies.in_flight
        health.waiting = len(self.floor.waiting.hits)
        lag, lag_starved = self.floor.tallies.drain_lags()
        self.say(talk.Tick(health, lag, lag_starved, rows, (now - self._told_at) / 1e9, whole))
        self._told_at = now
        self._second = self._now_second()

    async def close(self) -> None:
        """End all connections."""
        await self.floor.close()
        self.watch.close()

    def _over(self) -> None:
        """The stage schedules no more."""
        assert self.floor.stage is not None
        self.tell()
        self.say(talk.Over(self.floor.stage.index, self.floor.keeper.missing))
        self._draining.append(self.floor.stage.index)

    def _look_at_connections(self) -> None:
        tries = self.floor.keeper.first_tries
        if sum(tries.values()) >= self._connecting:
            self._connecting = 0
            gc.collect()
            gc.freeze()  # thousands of connections are never garbage: do not walk them again and again
            self.say(talk.Connected(dict(tries)))

    def _now_second(self) -> int:
        return (self.floor.clock() - self.prepare.zero) // 1_000_000_000


def _row(tally: Tally, second: int) -> talk.Row | None:
    """What a tally has seen since the last time, which is then no more on it; None for nothing."""
    spans: dict[str, Drained] = {}
    for name, recorder in tally.spans.items():
        if (drained := recorder.drain()) is not None:
            spans[name] = drained
    latency, service, failed = tally.latency.drain(), tally.service.drain(), tally.failed.drain()
    row = talk.Row(
        max(second, 0),
        tally.stage,
        tally.name,
        tally.scheduled,
        tally.started,
        tally.done,
        tally.late,
        tally.dropped,
        tally.errors,
        tally.counts,
        tally.sent,
        tally.received,
        latency,
        service,
        tally.starved.drain(),
        failed,
        spans,
        tally.fresh,
    )
    if not (
        row.scheduled or row.started or latency or failed or row.counts or row.sent or row.received or spans or row.samples
    ):
        return None
    tally.scheduled = tally.started = tally.done = tally.late = tally.dropped = tally.sent = tally.received = 0
    tally.errors, tally.counts, tally.fresh = {}, {}, []
    return row


def _tls(url: str, *, verify: bool) -> ssl.SSLContext | None:
    return tls_context(verify=verify) if url.partition("://")[0] in SECURE else None


async def serve(line: socket.socket) -> int:
    """Obey until the line ends or says so; returns the exit code."""
    reader, writer = await asyncio.open_connection(sock=line, limit=talk.MOST)
    order = await talk.order(reader)
    while isinstance(order, talk.Clock):  # before anything else, so that all times it is told are its own
        writer.write(talk.written(talk.Clocked(order.sent, time.monotonic_ns())))
        order = await talk.order(reader)
    if not isinstance(order, talk.Prepare):
        return 1
    try:
        worker = Worker(order, writer)
    except ConfigError as fault:
        writer.write(talk.written(talk.Broken(str(fault))))
        await writer.drain()
        return 1
    broken = asyncio.get_running_loop().create_future()

    def trouble(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        fault = context.get("exception")
        if isinstance(fault, Exception) and not broken.done():
            broken.set_result("".join(traceback.format_exception(fault)))

    asyncio.get_running_loop().set_exception_handler(trouble)
    worker.say(talk.Ready(worker.operations))
    worker.beat()
    orders = asyncio.create_task(_obey(worker, reader), name="orders")
    await asyncio.wait({orders, broken}, return_when=asyncio.FIRST_COMPLETED)
    if broken.done():
        worker.say(talk.Broken(broken.result()))
        sys.stderr.write(broken.result())
    orders.cancel()
    with suppress(asyncio.CancelledError, ConnectionError):
        await orders
    await worker.close()
    with suppress(ConnectionError):
        await writer.drain()
    return 1 if broken.done() else 0


async def _obey(worker: Worker, reader: asyncio.StreamReader) -> None:
    while (order := await talk.order(reader)) is not None:
        if not worker.obey(order):
            return


def keep_place(proc: Path = Path("/proc/self")) -> None:
    """Make the niceness that was inherited count: a worker has a session of its own, and Linux weighs sessions first.

    Within an autogroup niceness orders its own processes alone (sched(7)); so ``nice -n -10 watchkeeper stress run`` would
    put everything forward but who makes the load.
    """
    wanted = os.getpriority(os.PRIO_PROCESS, 0)
    if wanted:
        with suppress(OSError):  # no autogroups here, or not allowed to
            (proc / "autogroup").write_text(str(wanted), encoding="ascii")


def main(number: int) -> int:
    """Run one worker on an inherited socket."""
    descriptors_allowed()
    if sys.platform == "linux":
        keep_place()
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    line = socket.socket(fileno=number)
    try:
        import uvloop  # noqa: PLC0415  # not on Windows

        factory = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(serve(line))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
