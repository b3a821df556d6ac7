"""The phases that a plan may have: the door to them, each its own table ``[[phase]]`` with its `kind`.

A phase says what load there is to be; `course` makes stages of it from what was found before. Rates are starts a second, all
connections together. `of_knee` is a share of the level that the search before it has found sustainable.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from watchkeeper.config import Part
from watchkeeper.quantities import Duration
from watchkeeper.stress.run import Model

Rate = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=20)]
Users = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Connections = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class Phase(Part, frozen=True, kw_only=True):
    """What all phases have.

    A `name` (left out, the kind). The `operations` of the mix that run; none named: all that have a weight. One of no weight
    runs where a phase names it, as if it had a weight of one. How many `connections` there are (0: as the plan says). `only`:
    the protocols that the phase is for; with any other it is left out.
    """

    name: str = ""
    operations: tuple[str, ...] = ()
    only: tuple[Literal["http", "websocket", "tcp", "cloud", "own"], ...] = ()
    connections: Connections = 0

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or str(self.__struct_config__.tag)


class Levelled(Phase, frozen=True, kw_only=True):
    """What a phase at one level has: `rate`, or `of_knee`, or `users` (closed model: each starts anew once it is done)."""

    OF_KNEE: ClassVar[float] = 0.0
    """Where none is given; 0: one must be."""

    rate: Rate | None = None
    of_knee: Share | None = None
    users: Users | None = None

    def __post_init__(self) -> None:
        """Refuse two levels, and none where there is no usual one."""
        given = [name for name in ("rate", "of_knee", "users") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"one of rate, of_knee and users, not {' and '.join(given)}")
        if not given and not self.OF_KNEE:
            raise ValueError("how much: give rate, of_knee or users")

    @property
    def share(self) -> float:
        """The share of the knee that it wants; 0 when it does not go by the knee."""
        if self.rate is not None or self.users is not None:
            return 0.0
        return self.of_knee or self.OF_KNEE


class Smoke(Levelled, frozen=True, tag_field="kind", tag="smoke"):
    """A little load, to see that the target answers at all. A run whose smoke phase misses an objective ends there."""

    rate: Rate | None = 10.0
    lasts: Duration = Duration(5)

    def __post_init__(self) -> None:
        """Users or a share take the usual rate's place."""
        if (self.users or self.of_knee) and self.rate == 10.0:
            msgspec.structs.force_setattr(self, "rate", None)
        super().__post_init__()


class WarmUp(Levelled, frozen=True, tag_field="kind", tag="warm-up"):
    """Load that is not counted, until caches are filled and connections are made."""

    lasts: Duration = Duration(10)


class Constant(Levelled, frozen=True, tag_field="kind", tag="constant"):
    """One level all the time."""

    lasts: Duration = Duration(60)


class Ramp(Phase, frozen=True, tag_field="kind", tag="ramp"):
    """A rate that goes evenly from `begin` to `end`."""

    begin: Rate
    end: Rate
    lasts: Duration = Duration(60)


class Steps(Phase, frozen=True, tag_field="kind", tag="steps"):
    """The search for the knee.

    From `begin`, each level is `factor` times the one before, until an objective is missed or less is done than is due; then
    halving between the last that held and the first that broke, until they are within `precision`.

    `end`: go no higher (0: as high as safety and the generator allow). Each level `lasts` so long, and counts as broken when
    it breaks `tries` times. At least so many different `levels` are run, for a curve. `model`: levels are rates (`open`) or
    users (`closed`).
    """

    begin: Annotated[float, msgspec.Meta(gt=0)] = 100.0
    end: Rate = 0.0
    factor: Annotated[float, msgspec.Meta(gt=1.05, le=10)] = 1.5
    lasts: Duration = Duration(10)
    precision: Annotated[float, msgspec.Meta(ge=0.005, le=0.5)] = 0.05
    tries: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    levels: Annotated[int, msgspec.Meta(ge=1, le=20)] = 6
    model: Model = "open"


class Plateau(Levelled, frozen=True, tag_field="kind", tag="plateau"):
    """A level that should be held: 80 % of the knee unless said otherwise. What comes later is compared with it."""

    OF_KNEE: ClassVar[float] = 0.8
    lasts: Duration = Duration(60)


class Spike(Phase, frozen=True, tag_field="kind", tag="spike"):
    """From a rate up to a peak and back: `rate` and `peak`, or shares of the knee `of_knee` and `peak_of_knee`.

    `before`, `rise` (and the same down), `peak_lasts` and `after` are how long each part takes.
    """

    rate: Rate | None = None
    peak: Rate | None = None
    of_knee: Share = 0.5
    peak_of_knee: Share = 1.5
    before: Duration = Duration(5)
    rise: Duration = Duration(1)
    peak_lasts: Duration = Duration(5)
    after: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse one rate without the other."""
        if (self.rate is None) != (self.peak is None):
            raise ValueError("give both rate and peak, or neither")

    @property
    def share(self) -> float:
        """The share of the knee that it wants; 0 when it does not go by the knee."""
        return 0.0 if self.rate is not None else self.of_knee


class Overload(Levelled, frozen=True, tag_field="kind", tag="overload"):
    """More than it can take, 1.5 times the knee unless said otherwise. Only objectives that name it are judged over it."""

    OF_KNEE: ClassVar[float] = 1.5
    lasts: Duration = Duration(20)


class Recovery(Levelled, frozen=True, tag_field="kind", tag="recovery"):
    """How long until it is as before, at the level of the plateau unless said otherwise, after what came just before.

    It ends once `held` seconds in a row were as good as the baseline, or at `within`: then it has not recovered. The baseline
    is the last plateau's or constant phase's. What came just before has its connections already: as many as either asks for.
    """

    OF_KNEE: ClassVar[float] = 0.8
    within: Duration = Duration(60)
    held: Annotated[int, msgspec.Meta(ge=1, le=60)] = 3


class Soak(Levelled, frozen=True, tag_field="kind", tag="soak"):
    """A moderate level for long: does anything grow?"""

    OF_KNEE: ClassVar[float] = 0.5
    lasts: Duration = Duration(600)


class Hold(Phase, frozen=True, tag_field="kind", tag="hold"):
    """Connections that are open and do little: `rate` starts a second over all of them."""

    rate: Rate = 0.0
    lasts: Duration = Duration(30)


class Storm(Levelled, frozen=True, tag_field="kind", tag="storm"):
    """All connections are dropped at once, `times` times, and come back as fast as the plan's `connect_rate` lets them."""

    OF_KNEE: ClassVar[float] = 0.5
    lasts: Duration = Duration(30)
    times: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1


class SlowReaders(Levelled, frozen=True, tag_field="kind", tag="slow-readers"):
    """So many of the clients read (`reading`, a share) and the others stop: is the server's memory bounded, and do the
    others notice? Afterwards all read again and take what was kept for them. Clients of a Cloud Server can do it.
    """  # noqa: D205  # one sentence

    OF_KNEE: ClassVar[float] = 0.1
    lasts: Duration = Duration(20)
    reading: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9


class Pause(Phase, frozen=True, tag_field="kind", tag="pause"):
    """Nothing is started; connections stay."""

    lasts: Duration = Duration(5)


Leaf = (
    Smoke | WarmUp | Constant | Ramp | Steps | Plateau | Spike | Overload | Recovery | Soak | Hold | Storm | SlowReaders | Pause
)

JUDGED = {"smoke", "constant", "ramp", "plateau", "soak", "hold", "storm"}
"""Kinds that the plan's objectives are judged over where they name no phase."""
BASELINES = {"plateau", "constant"}
"""Kinds that later ones are compared with."""


def seconds_at_most(phase: Leaf) -> float:
    """How long it may take, its drains and connecting apart; a search as if it rose a hundredfold."""
    match phase:
        case Steps():
            rising = 12 if phase.factor >= 1.5 else 40
            return float(phase.lasts) * phase.tries * (rising + 10)
        case Spike():
            return float(phase.before + 2 * phase.rise + phase.peak_lasts + phase.after)
        case Recovery():
            return float(phase.within)
        case Storm():
            return float(phase.lasts) * phase.times
        case _:
            return float(phase.lasts)
