"""A run from its plan to its record: one straight page, read from `conduct` down.

Everything that could refuse comes first: consent, what fits, what the generator can do. Then the workers are started, and
stage after stage is run as `course` decides. Whoever watches (`Watcher`) is told; `Abort` ends it at any moment, with a
whole record.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import msgspec

from watchkeeper import __version__
from watchkeeper.errors import Failed, Refused
from watchkeeper.lock import Lock
from watchkeeper.stress import calibrate, course, fit, surroundings, talk, target, withheld
from watchkeeper.stress.attending import attending, guarded, needed
from watchkeeper.stress.crew import Crew
from watchkeeper.stress.desk import Abort, Desk, Request, Watcher
from watchkeeper.stress.distant import Lost
from watchkeeper.stress.gathering import Gathering
from watchkeeper.stress.record import Record, Recording
from watchkeeper.stress.recovery import Moment
from watchkeeper.stress.run import Calibration, Run, State
from watchkeeper.stress.serverside.joining import join
from watchkeeper.stress.staging import Staging
from watchkeeper.stress.verdict import judged

READY_SECONDS = 30.0
STOP_SECONDS = 3.0
"""For what is under way to be ended when a run is aborted."""


async def conduct(request: Request, watcher: Watcher, abort: asyncio.Event) -> Run:
    """Run a plan and return what became of it. `abort` set: end it now, in order.

    Raises Refused for what is not to be run, and Failed for what cannot be at the moment; nothing is recorded then.
    """
    plan = request.plan
    request.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = Lock(request.folder, "the stress lab")
    try:
        fit.check_connections(plan)
        fit.check_rates(plan, plan.generator.ceiling)
        found = await target.look_up(plan)
        found = _placed(request, found)
        if request.origins:
            shape = fit.spread_over(plan, [one.count for one in request.origins])
        else:
            shape = fit.spread(plan, surroundings.machine(), found.address[0], is_local=found.is_local)
        agreed = await target.consent(plan, found, request.supervised)
        if plan.safety.alerts and (why := await needed(request.guard, guarded(request, found))):
            raise Refused(f"{why}; nothing is put under load meanwhile (safety.alerts)", code="in-need")
        away = await target.distance(found)
        measured = await _measure(request, shape.workers)
        ceiling = fit.check_rates(plan, measured.ceiling if measured else plan.generator.ceiling)
        run = _run(request, found, shape, agreed, measured, away)
        return await _record(request, run, found, shape, ceiling, watcher, abort)
    finally:
        lock.close()


def _placed(request: Request, found: target.Target) -> target.Target:
    """Where the target is: loopback is its own machine's. Raises Refused where the load cannot get there."""
    supervised = request.supervised
    is_elsewhere = supervised is not None and supervised.machine not in {"", request.here}
    if not is_elsewhere or supervised is None:
        return found
    if target.is_loopback(found.address[0]) and [one.machine for one in request.origins] != [supervised.machine]:
        why = f"{found.url} is an address of {supervised.machine} alone: make the load there (--from {supervised.machine})"
        raise Refused(why, code="no-target")
    return found._replace(is_local=False)


async def _measure(request: Request, workers: int) -> Calibration | None:
    if request.plan.generator.ceiling or request.origins:
        return None
    return await calibrate.calibrate(request.plan, request.text, workers, request.folder / "calibration.log")


def _run(request: Request, found: target.Target, shape: fit.Fit, agreed: str, measured: Calibration | None, away: float) -> Run:
    plan = request.plan
    assert plan.protocol is not None
    now = time.time()
    seed = plan.seed or int.from_bytes(os.urandom(4), "big")
    digest = hashlib.sha256(withheld.of_plan(request.text).encode()).hexdigest()
    notes = []
    if found.is_local:
        notes.append("the load and its target shared this machine: each took processor and memory from the other")
    if measured is None and not plan.generator.ceiling:
        notes.append("the generator was not measured beforehand: whether it was good enough is judged from the run itself")
    return Run(
        id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{plan.name}-{digest[:2]}{seed & 0xFF:02x}",
        plan=plan.name,
        protocol=str(plan.protocol.__struct_config__.tag),
        target=plan.target.url,
        started_at=round(now * 1000),
        pid=os.getpid(),
        server=request.supervised.name if request.supervised else "",
        machine=request.supervised.machine if request.supervised else request.here if found.is_local else "",
        consent=agreed,
        address=f"{found.address[0]}:{found.address[1]}",
        command=withheld.of_command(request.command),
        seed=seed,
        version=__version__,
        workers=shape.workers,
        operations=tuple(one.name for one in plan.mix),
        plan_hash=digest,
        environment=surroundings.environment() | ({"target_round_trip": f"{away * 1e6:.0f} µs"} if away else {}),
        calibration=measured,
        notes=tuple(notes),
    )


async def _record(
    request: Request,
    run: Run,
    found: target.Target,
    shape: fit.Fit,
    ceiling: float,
    watcher: Watcher,
    abort: asyncio.Event,
) -> Run:
    """From here on everything is on disk, whatever happens."""
    with closing(Recording(request.folder, request.text, run)) as recording:
        return await _run_on(recording, request, found, shape, ceiling, watcher, abort)


async def _run_on(
    recording: Recording,
    request: Request,
    found: target.Target,
    shape: fit.Fit,
    ceiling: float,
    watcher: Watcher,
    abort: asyncio.Event,
) -> Run:
    run = recording.run
    crew = Crew(recording.folder / "workers.log")
    zero = time.monotonic_ns() - (time.time_ns() - run.started_at * 1_000_000)
    staging: Staging | None = None

    def seen(moment: Moment, stage: int) -> None:
        if staging is not None:
            staging.see(moment, stage)

    gathering = Gathering(recording, run.operations, shape.workers, seen)
    desk = Desk(request, recording, crew, gathering, zero, abort)
    staging = Staging(desk, course.Course(request.plan, ceiling), watcher)
    state: State = "done"
    why = kind = ""
    try:
        await watcher.began(run)
        await _gather_crew(crew, request, shape)
        _tell_origins(recording, crew)
        async with _listening(desk), attending(desk, staging, found):
            await _prepare(desk, run, found, shape)
            why = await staging.carry_out()
            await asyncio.sleep(request.plan.safety.cool_down)
    except* Abort as faults:
        state, why, kind = "aborted", _first(faults), "aborted"
    except* (Lost, Failed, Refused) as faults:
        state, why, kind = "broken", _first(faults), "worker-lost"
    except* OSError as faults:
        state, why = "broken", f"the record could not be written: {_first(faults)}"
    finally:
        await crew.leave()
    with suppress(OSError):  # of a disk that is full: the run is over all the same
        if kind:
            desk.note(kind, why)
        gathering.write(int(desk.now) + 1, everything=True)
    _tell_origins(recording, crew)
    run = judged(recording.run, request.plan, staging.results, staging.held, state, why)
    surrounded = run.environment | {"load_after": surroundings.load()}
    with suppress(OSError):
        recording.finish(msgspec.structs.replace(run, ended_at=round(time.time() * 1000), environment=surrounded))
    with suppress(OSError, Refused):
        recording.flush()
        await join(Record(recording.folder), request.teller)
    await watcher.ended(recording.run)
    return recording.run


async def _gather_crew(crew: Crew, request: Request, shape: fit.Fit) -> None:
    """Workers here, or on the machines that the load is to come from."""
    if not request.origins:
        await crew.start(shape.workers)
    for one in request.origins:
        await crew.join(one)


def _tell_origins(recording: Recording, crew: Crew) -> None:
    if crew.distant:
        with suppress(OSError):
            recording.update(msgspec.structs.replace(recording.run, origins=tuple(one.origin() for one in crew.distant)))


@asynccontextmanager
async def _listening(desk: Desk) -> AsyncIterator[None]:
    """Workers are heard, for the length of this; one that is lost ends it with Lost."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(desk.crew.listen(member, desk.take), name=f"worker {member.number}")
            for member in desk.crew.members
        ]
        try:
            yield
        except BaseExceptionGroup:  # a guard or an operator; when a worker is lost, this is cancelled instead
            await _stop(desk)
            raise
        finally:
            for task in tasks:
                task.cancel()


async def _stop(desk: Desk) -> None:
    """End what is under way, and hear what became of it."""
    desk.crew.order(talk.Stop(now=True))
    running = max(desk.gathering.stages, default=None)
    if running is not None:
        stage = desk.gathering.stage(running)
        await desk.wait(lambda: len(stage.settled) == len(desk.crew.members), STOP_SECONDS)


async def _prepare(desk: Desk, run: Run, found: target.Target, shape: fit.Fit) -> None:
    for member in desk.crew.members:
        member.order(
            talk.Prepare(
                desk.request.text,
                member.number,
                shape.workers,
                found.url,
                found.address,
                found.server_name,
                shape.sources,
                run.seed,
                desk.zero,
                shape.spin,
                shape.visits,
            )
        )
    if not await desk.wait(lambda: len(desk.ready) == len(desk.crew.members), READY_SECONDS):
        raise Lost(f"the workers were not ready within {READY_SECONDS:g} s")


def _first(faults: BaseExceptionGroup[BaseException]) -> str:
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return str(fault)
