"""What every server has in its configuration, whoever runs it. The drivers' settings (`watchkeeper.control`) build on it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from watchkeeper.config import NAME, Part
from watchkeeper.control.conditions import Condition
from watchkeeper.control.lifecycle import Policy, RestartPolicy
from watchkeeper.control.limits import LimitSettings
from watchkeeper.control.liveness import LivenessSettings
from watchkeeper.control.schedule import ScheduleSettings
from watchkeeper.model import VERBS, Verb
from watchkeeper.quantities import Duration, Size


class BackoffSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.backoff]``: pauses between restarts while a server keeps ending.

    The first restart comes at once; then the pause is `first`, doubling up to `most`, a half of it chance;
    a run of `stable` sets it back.
    """

    first: Duration = Duration(1)
    most: Duration = Duration(60)
    stable: Duration = Duration(10)

    def __post_init__(self) -> None:
        """Refuse a restart loop without any pause."""
        if not 0.1 <= self.first <= self.most:
            raise ValueError("first: expected at least 100ms and no more than most")


class LogSettings(Part, frozen=True, kw_only=True):
    """``[server.NAME.log]``: a server's output is rotated at `size`, and `keep` older files are kept.

    More than `flood` a second, for half a minute, is told as an event.
    """

    size: Size = Size(10 << 20)
    flood: Size = Size(1 << 20)
    keep: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5

    def __post_init__(self) -> None:
        """Refuse files so small that rotation would be all there is."""
        if self.size < 64 << 10:
            raise ValueError("size: expected at least 64KiB")


class AnyServer(Part, frozen=True, kw_only=True):
    """Life, care and consent of one server; what it is run by adds its own."""

    after: tuple[str, ...] = ()
    restart: RestartPolicy = "always"
    autostart: bool = True
    stop_grace: Duration = Duration(10)
    backoff: BackoffSettings = BackoffSettings()
    log: LogSettings = LogSettings()
    requires: tuple[str, ...] = ()
    in_group: str = ""
    control: bool | tuple[Verb, ...] = True
    start_when: tuple[Condition, ...] = ()
    drill: bool = False
    liveness: LivenessSettings | None = None
    limits: LimitSettings = LimitSettings()
    schedule: ScheduleSettings | None = None

    def __post_init__(self) -> None:
        """Refuse what could never be a name."""
        if self.in_group and not NAME.fullmatch(self.in_group):
            raise ValueError("in_group: expected 1 to 63 letters, digits, dots, dashes or underscores")

    @property
    def driver(self) -> str:
        """The name of what runs it."""
        return str(self.__struct_config__.tag)

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """What can be done to it at all, whoever asks."""
        return VERBS

    def lacks(self, verb: Verb) -> str:
        """Why `verb` cannot be done to it; empty when it can."""
        return "" if verb in self.verbs else f"its driver {self.driver} cannot {verb} it"

    @property
    def starting(self) -> str:
        """How it is started, as what would be done."""
        return "start it"

    def stopping(self, pid: int) -> str:
        """How it is stopped, as what would be done."""
        return f"stop it (pid {pid})" if pid else "stop it"

    @property
    def policy(self) -> Policy:
        """What the life cycle needs to know."""
        backoff, liveness = self.backoff, self.liveness or LivenessSettings()
        return Policy(
            self.restart,
            float(self.stop_grace),
            float(backoff.first),
            float(backoff.most),
            float(backoff.stable),
            hung_grace=min(float(liveness.grace), float(self.stop_grace)),
            abort=liveness.abort,
            gated=bool(self.requires or self.start_when),
        )

    @property
    def before(self) -> tuple[str, ...]:
        """Those that must be ready before it is started."""
        return tuple(dict.fromkeys((*self.after, *self.requires)))

    @property
    def process(self) -> tuple[object, ...]:
        """What it is run with: when this changes, what runs is not what the settings say any more."""
        own = [name for name in self.__struct_fields__ if name not in AnyServer.__struct_fields__]
        return (self.driver, *(getattr(self, name) for name in own))
