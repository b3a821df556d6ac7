"""A run started by the hub: a process of its own, that outlives the hub and belongs to nobody but itself.

It is the same program that a person starts in a terminal; it finds the hub by itself and announces itself there. What it
says before that (a refusal) is what whoever asked for it hears.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from watchkeeper.errors import Failed, Refused

START_SECONDS = 45.0
"""For consent, what fits, and measuring the generator."""
SAID = 4000
"""Bytes of its last words that are looked at."""


class StressStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Put a consenting server under load. POST /api/stress/runs.

    `plan` is a built-in one's name, or that of a file in ``DATA/stress/plans``. What is left out is as the plan has it:
    `connections`, `objectives`, `max_rate` (starts a second), `max_connections`, `max_time` (seconds), `seed`, `protocol`.
    `machines`: whose agents make the load; none: the hub's own machine does.
    """

    plan: str
    machine: str
    server: str
    protocol: str = ""
    connections: int = 0
    objectives: tuple[str, ...] = ()
    max_rate: float = 0.0
    max_connections: int = 0
    max_time: float = 0.0
    seed: int = 0
    machines: tuple[str, ...] = ()


class Launcher:
    """How a run is started on this machine."""

    def __init__(self, data: Path, config: Path | None, program: Sequence[str] = (sys.executable, "-m", "watchkeeper")) -> None:
        """`program` is what is run, with `stress run …` behind it."""
        self._data = data
        self._config = config
        self._program = tuple(program)
        self._by: dict[int, str] = {}
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    def started_by(self, pid: int) -> str:
        """Who had the process of this pid started here; empty for one that was not."""
        return self._by.get(pid, "") if pid else ""

    async def start(self, ask: StressStart, by: str, announced: Callable[[int], str]) -> str:
        """Start one and wait until it has announced itself; returns its id. `announced(pid)`: the id, once there is one.

        Raises Refused with its own words when it does not begin, Failed when it says nothing in time. Nobody's waiting ends it.
        """
        (self._data / "stress").mkdir(parents=True, exist_ok=True, mode=0o700)
        log = self._data / "stress" / f".starting-{id(ask):x}.log"
        with log.open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                *words(ask, self._data, self._config),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C at the hub's terminal is not for it
            )
        self._by[process.pid] = by
        self._processes = {pid: one for pid, one in self._processes.items() if one.returncode is None}
        self._processes[process.pid] = process  # so that its end is waited for
        try:
            async with asyncio.timeout(START_SECONDS):
                while not (run := announced(process.pid)):
                    if process.returncode is not None:
                        raise Refused(_last_words(log), code="stress-refused")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Failed(f"the run has not begun within {START_SECONDS:.0f} s; it may still do so") from None
        finally:
            with contextlib.suppress(OSError):
                log.unlink()
        return run


def words(ask: StressStart, data: Path, config: Path | None) -> list[str]:
    """What the program is run with. No key of the plan but these can be set from outside: none of them names a file."""
    plan = ask.plan
    if (own := own_plans(data).get(ask.plan)) is not None:
        plan = str(own)
    elif not plan.replace("-", "").isalnum():
        raise Refused(f"there is no plan {plan[:80]!r}", code="unknown-plan")
    found = ["stress", "run", plan, "--target", f"{ask.machine}/{ask.server}", "--json", "--data", str(data)]
    if config is not None:
        found += ["--config", str(config)]
    if ask.protocol:
        found += ["--protocol", ask.protocol]
    if ask.machines:
        found += ["--from", ",".join(ask.machines)]
    given: Mapping[str, float] = {
        "connections": ask.connections,
        "seed": ask.seed,
        "safety.max_rate": ask.max_rate,
        "safety.max_connections": ask.max_connections,
    }
    for key, value in given.items():
        if value:
            found += ["--set", f"{key}={value:.15g}"]
    if ask.max_time:
        found += ["--set", f'safety.max_time="{ask.max_time:.15g}s"']
    if ask.objectives:
        found += ["--set", f"objectives={msgspec.json.encode(ask.objectives).decode()}"]
    return found


def own_plans(data: Path) -> dict[str, Path]:
    """Plans that the operator has put into ``DATA/stress/plans``, by name."""
    return {path.stem: path for path in sorted((data / "stress" / "plans").glob("*.toml"))}


def _last_words(log: Path) -> str:
    """Why it ended, as it said it."""
    try:
        said = log.read_bytes()[-SAID:].decode("utf-8", "replace").splitlines()
    except OSError:
        said = []
    told = [line.removeprefix("watchkeeper: ") for line in said if line.startswith("watchkeeper: ")]
    return told[-1] if told else f"the run ended before it began: {said[-1][:300] if said else 'it said nothing'}"
