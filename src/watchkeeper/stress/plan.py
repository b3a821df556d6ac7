"""What an operator writes: the target, what is said to it, in which phases, what must hold, and how far it may go.

A plan is TOML, decoded as strictly as the configuration: a mistake is told with file, line and the nearest known key.
Built-in plans are such files too (``plans/``), without a target. Nothing here looks at the network or at this machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from watchkeeper.config import Document, Part, encode_hook, parse
from watchkeeper.errors import ConfigError
from watchkeeper.quantities import Duration, Secret
from watchkeeper.stress import objective, phases, protocols
from watchkeeper.stress.health import Limits
from watchkeeper.stress.lane import Operation
from watchkeeper.stress.objective import Objective
from watchkeeper.stress.run import Arrival

SCHEMES = {
    "http": protocols.Http,
    "https": protocols.Http,
    "ws": protocols.WebSocket,
    "wss": protocols.WebSocket,
    "tcp": protocols.Tcp,
    "tls": protocols.Tcp,
}
"""What is spoken where a plan does not say."""
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SECURE = {"https", "wss", "tls"}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class TargetSettings(Part, frozen=True):
    """Who is put under load: a supervised `server` by name, or a `url` (``http://``, ``https://``, ``ws://``, ``wss://``,
    ``tcp://`` or ``tls://``). Without `verify` any TLS certificate is taken.

    A target that is no server of ours proves its operator's consent by a `token`: it answers
    ``/.well-known/watchkeeper-stress`` (or `consent_url`, on the same host) with it.
    """  # noqa: D205  # one sentence

    server: str = ""
    url: str = ""
    verify: bool = True
    token: Secret | None = None
    consent_url: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no address while the place in the file is known."""
        if self.url:
            check_url(self.url)
        if self.consent_url and urlsplit(self.consent_url).scheme not in {"http", "https"}:
            raise ValueError(f"consent_url: expected an http:// or https:// address, got {self.consent_url!r}")


class Safety(Part, frozen=True):
    """How far it may go: starts a second (`max_rate`; users are held to it), connections (`max_connections`), time in all
    (`max_time`). `public`: a target outside loopback and private networks is allowed (it must consent as well).
    `cool_down`: how long nothing is started at the end. The run ends by itself when less than `memory` of this machine's
    is free, when more than `errors` of all starts fail for 10 s outside overloads, or, with `alerts`, when a critical
    alert of the target's machine or of this one fires (those about a server aside); while one fires, none begins.
    """  # noqa: D205  # one sentence

    max_rate: Annotated[float, msgspec.Meta(gt=0)] = 50_000
    max_connections: Annotated[int, msgspec.Meta(ge=1)] = 50_000
    max_time: Duration = Duration(4 * 3600)
    public: bool = False
    cool_down: Duration = Duration(3)
    memory: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.05
    errors: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    alerts: bool = True


class Generator(Part, frozen=True):
    """How the load is made: worker processes (`workers`, 0: one a core, one core being left to a target on this machine),
    addresses to connect from (`sources`, also networks such as ``127.0.1.0/26``; none: as many of 127.0.0.0/8 as are
    needed for a loopback target), for how long before a start the loop is kept turning (`spin`; left out, 100 µs where a
    core is free), starts a second that all workers can make (`ceiling`, 0: it is measured first), and what makes a run's
    figures count (`limits`).
    """  # noqa: D205  # one sentence

    workers: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    sources: tuple[str, ...] = ()
    spin: Duration | None = None
    ceiling: Annotated[float, msgspec.Meta(ge=0)] = 0
    limits: Limits = Limits()


class Plan(Part, frozen=True):
    """A plan as a whole: its name, in a sentence what it is `about`, and its tables.

    `objectives` is what must hold, such as ``"p99 < 50ms"``, ``"errors < 0.1%"``, ``"loss = 0"``. Without a `protocol`,
    what is spoken follows from the target's address. `connections` over all workers, opened at `connect_rate` a second
    (HTTP and TCP open one that has ended when the next operation needs it, however many need one then); an answer may
    take `timeout`. `arrival`: starts come evenly, or as chance has it (`poisson`). `seed` (0: another one
    each time) fixes chance. `knee` is the sustainable level where no search comes first.
    """

    name: str
    about: str = ""
    target: TargetSettings = TargetSettings()
    protocol: protocols.Leaf | None = None
    connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    connect_rate: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 1000
    timeout: Duration = Duration(10)
    arrival: Arrival = "even"
    seed: Annotated[int, msgspec.Meta(ge=0, le=1 << 60)] = 0
    knee: Annotated[float, msgspec.Meta(ge=0)] = 0
    objectives: tuple[str, ...] = ()
    phase: tuple[phases.Leaf, ...] = ()
    safety: Safety = Safety()
    generator: Generator = Generator()

    def __post_init__(self) -> None:
        """Refuse a name that is none, and objectives that cannot be read."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a plan's name has small letters, digits and dashes, got {self.name!r}")
        if not 0.01 <= self.timeout <= 3600:
            raise ValueError("a timeout is between 10ms and 1h")
        for text in self.objectives:
            objective.parse(text)

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The objectives, read; those that ask for what the protocol, or their operation, cannot tell say so."""
        found = tuple(map(objective.parse, self.objectives))
        if self.protocol is None:
            return found
        numbered = {one.name for one in self.mix if one.numbers}
        return tuple(self._blind(goal, numbered) if goal.is_of_numbers else goal for goal in found)

    @property
    def mix(self) -> Sequence[Operation]:
        """The operations, once there is a protocol (`settled`)."""
        assert self.protocol is not None
        return self.protocol.mix(self.target.url)

    def _blind(self, goal: Objective, numbered: set[str]) -> Objective:
        if goal.operation in numbered or (numbered and not goal.operation):
            return goal
        assert self.protocol is not None
        kind = str(self.protocol.__struct_config__.tag)
        of = f"the operation {goal.operation} of {kind}" if goal.operation else kind
        return goal._replace(blind=f"{of} numbers no messages")


def settled(plan: Plan, document: Document) -> Plan:
    """The plan with what follows from the rest, as its protocol. Raises ConfigError for what does not go together."""
    if not plan.target.url:
        raise document.fault(("target",), "no target: give target.url, or name a server")
    if plan.protocol is None:
        plan = msgspec.structs.replace(plan, protocol=SCHEMES[urlsplit(plan.target.url).scheme]())
    assert plan.protocol is not None
    names = [one.name for one in plan.mix]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise document.fault(("protocol", "operation"), f"two operations are called {twice!r}")
    if not any(one.weight for one in plan.mix):
        raise document.fault(("protocol", "operation"), "no operation has a weight above nothing")
    if not plan.phase:
        raise document.fault((), "a plan needs at least one [[phase]]")
    apart = {phase.called for phase in plan.phase if not is_for(plan, phase)} - {
        phase.called for phase in plan.phase if is_for(plan, phase)
    }
    wanted = tuple(text for text, goal in zip(plan.objectives, plan.goals, strict=True) if goal.phase not in apart)
    plan = msgspec.structs.replace(plan, objectives=wanted)  # those of phases that are left out go with them
    _check_names(plan, document, names)
    _check_order(plan, document)
    return plan


def _check_names(plan: Plan, document: Document, names: Sequence[str]) -> None:
    """Phases and objectives name operations and phases that there are."""
    for place, phase in enumerate(plan.phase):
        if not is_for(plan, phase):
            continue
        if unknown := next((name for name in phase.operations if name not in names), ""):
            known = ", ".join(names)
            raise document.fault(("phase", place, "operations"), f"there is no operation {unknown!r}; known: {known}")
        if isinstance(phase, phases.SlowReaders) and not isinstance(plan.protocol, protocols.Cloud):
            raise document.fault(("phase", place), 'readers are slow among clients of a Cloud Server: only = ["cloud"]')
    called = {phase.called for phase in plan.phase}
    for place, goal in enumerate(plan.goals):
        if goal.operation and goal.operation not in names:
            raise document.fault(("objectives", place), f"there is no operation {goal.operation!r}; known: {', '.join(names)}")
        if goal.phase and goal.phase not in called:
            raise document.fault(("objectives", place), f"there is no phase {goal.phase!r}; known: {', '.join(sorted(called))}")


def is_for(plan: Plan, phase: phases.Leaf) -> bool:
    """Whether a phase is run with what the plan speaks."""
    return not phase.only or (plan.protocol is not None and str(plan.protocol.__struct_config__.tag) in phase.only)


def _check_order(plan: Plan, document: Document) -> None:
    """What goes by an earlier phase comes after one."""
    has_knee, has_baseline = plan.knee > 0, False
    for place, phase in enumerate(plan.phase):
        share = getattr(phase, "share", 0.0)
        if share and not has_knee:
            why = f"{phase.called} goes by the knee: put a phase of kind steps before it, give knee, or a rate"
            raise document.fault(("phase", place), why)
        if isinstance(phase, phases.Recovery) and not has_baseline:
            raise document.fault(("phase", place), "recovery is measured against a phase of kind plateau or constant before it")
        has_knee = has_knee or isinstance(phase, phases.Steps)
        has_baseline = has_baseline or isinstance(phase, phases.Plateau | phases.Constant)
    longest = sum(map(phases.seconds_at_most, plan.phase))
    if longest > plan.safety.max_time:
        longest_words = Duration(float(round(longest)))
        why = f"it may take {longest_words}, more than safety.max_time ({plan.safety.max_time}) allows"
        raise document.fault(("safety", "max_time"), why)


def check_url(url: str) -> None:
    """Raises ValueError for what is no target's address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as fault:
        raise ValueError(f"{url!r}: {fault}") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(f"expected an address that begins with {', '.join(f'{one}://' for one in SCHEMES)}, got {url!r}")
    if port is None and parts.scheme not in PORTS:
        raise ValueError(f"{url!r} needs a port")
    if parts.username or parts.password:
        raise ValueError("no user or password in an address: it would be written down; use headers")


def place(url: str) -> tuple[str, int]:
    """Host and port of a target's address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def read(texts: dict[str, str], changes: dict[str, object] | None = None) -> tuple[Plan, Document]:
    """A plan from TOML texts by file name; `changes` are dotted keys that a command line sets. Raises ConfigError."""
    document = parse(texts)
    for key, value in (changes or {}).items():
        table = document.tables
        *path, last = key.split(".")
        for step in path:
            table = table.setdefault(step, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{step} is not a table", where=key)
        table[last] = value
    plan: Plan = document.decode(document.tables, Plan, ())
    return plan, document


def written(plan: Plan) -> dict[str, object]:
    """A plan as plain values, every default included, quantities as people write them."""
    found = msgspec.to_builtins(plan, enc_hook=encode_hook)
    assert isinstance(found, dict)
    return found


Chosen = Literal["http", "websocket", "tcp", "cloud", "own"]
