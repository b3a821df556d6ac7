"""The nouns: what travels, what is stored and what is shown, as frozen values.

Every organ speaks in these. They hold no behaviour beyond their own identity, know no
clock and no file, and cost nothing to import: the agent loads this room, so no numpy.
Times named `at` are whole milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import msgspec

if TYPE_CHECKING:  # for type checkers alone: the agent must not load numpy (11 MiB)
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["counter", "gauge", "untyped", "info"]
Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct, frozen=True, array_like=True):
    """What all series of one metric name share: its kind and its sentence (Prometheus' TYPE and HELP)."""

    name: str
    kind: Kind
    help: str


class Series(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of figures over time. `labels` are sorted by name and never hold `__name__`.

    Holds strings alone, so no cycle: the garbage collector need not walk a fleet's hundred thousand of them.
    """

    name: str
    labels: Labels = ()

    def text(self) -> str:
        """The series as people write it: ``node_load1{machine="a"}``."""
        inside = ",".join(f'{key}="{value}"' for key, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name

    def label(self, name: str, default: str = "") -> str:
        """One label's value, or `default`; the absent label is the empty string, as in Prometheus."""
        for key, value in self.labels:
            if key == name:
                return value
        return default

    def labelled(self, extra: dict[str, str]) -> Series:
        """This series with `extra` labels added where it does not have them yet."""
        return Series(self.name, tuple(sorted((extra | dict(self.labels)).items())))


class Dictionary(msgspec.Struct, frozen=True):
    """The meaning of a frame's columns: column i of each frame is `series[i]`.

    `id` is a digest of the content, so the same layout has the same id on every run
    and on every machine, and sending a dictionary twice is harmless.
    """

    id: int
    series: tuple[Series, ...]
    families: tuple[Family, ...] = ()


def dictionary(series: tuple[Series, ...], families: tuple[Family, ...] = ()) -> Dictionary:
    """Make a dictionary and its id: 63 bits of BLAKE2b over the series, so that it fits SQLite's signed integer."""
    digest = hashlib.blake2b(msgspec.msgpack.encode(series), digest_size=8).digest()
    return Dictionary(int.from_bytes(digest, "little") >> 1, series, families)


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """What one round of collectors read on one machine at one instant: the unit of work.

    `stream` names the rounds of one period on that machine (``5s``); frames of a stream are in
    time order. `values` is little-endian float64, one per series of the dictionary; NaN = no value.
    """

    stream: str
    dictionary: int
    at: int
    values: bytes


Role = Literal["admin", "operator", "viewer"]
"""Viewers look, operators also act, admins also decide who comes in."""
TokenKind = Literal["admin", "operator", "viewer", "link", "write"]
"""A token has a role as people have, or one of its own: agents' (`link`), or writing figures and nothing else (`write`)."""
Matching = Literal["=", "!=", "=~", "!~"]


class Matcher(msgspec.Struct, frozen=True):
    """One condition on a label; ``__name__`` is the metric's name. Regular expressions are anchored, as in Prometheus."""

    label: str
    op: Matching
    value: str


ABSENT_BITS = 0x7FF8_0000_0000_0000
"""No value: the bits of Python's own ``nan``. Every other NaN is a figure that was told (docs/decisions/0007)."""
NAN_BITS = 0x7FF8_0000_0000_0001
"""A figure that is not a number, as Prometheus writes it: what a server's page says where it says ``NaN``."""
STALE_BITS = 0x7FF0_0000_0000_0002
"""Prometheus' stale marker: from here on the series is not there, although its last sample is young."""
NOT_A_NUMBER: float = struct.unpack("<d", NAN_BITS.to_bytes(8, "little"))[0]
STALE: float = struct.unpack("<d", STALE_BITS.to_bytes(8, "little"))[0]


class Block(NamedTuple):
    """Some series that share one time axis, as aligned columns.

    `times`: int64[ticks], milliseconds, rising; `values`: float64[ticks, series], NaN of `ABSENT_BITS` = no value.
    """

    series: tuple[Series, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class Rollup(NamedTuple):
    """A block summed up over windows of `step` ms; `times` are the windows' starts.

    `least`, `most`, `total` and `seen`: float64[windows, series]; `seen` counts the samples, 0 = none.
    """

    series: tuple[Series, ...]
    times: NDArray[np.int64]
    step: int
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    total: NDArray[np.float64]
    seen: NDArray[np.float64]


class EventKind(enum.StrEnum):
    """Everything that can happen to a server or to ourselves and is worth a line in the journal."""

    SERVER_STARTING = "server_starting"
    SERVER_STARTED = "server_started"
    SERVER_ADOPTED = "server_adopted"
    SERVER_EXITED = "server_exited"
    SERVER_START_FAILED = "server_start_failed"
    SERVER_STOPPING = "server_stopping"
    SERVER_STOPPED = "server_stopped"
    SERVER_RESTART_PLANNED = "server_restart_planned"
    SERVER_WARNED = "server_warned"
    KEEPER_LOST = "keeper_lost"
    KEEPER_REPLACED = "keeper_replaced"
    PROBE_FAILED = "probe_failed"
    PROBE_RECOVERED = "probe_recovered"
    AGENT_STARTED = "agent_started"
    AGENT_STOPPED = "agent_stopped"
    MACHINE_CONNECTED = "machine_connected"
    MACHINE_LOST = "machine_lost"
    SPOOL_OVERFLOWED = "spool_overflowed"
    CONFIG_REJECTED = "config_rejected"
    CONFIG_RELOADED = "config_reloaded"
    ACTION_REQUESTED = "action_requested"
    ACTION_ENDED = "action_ended"
    HUB_STARTED = "hub_started"
    HUB_STOPPED = "hub_stopped"
    STORE_REPAIRED = "store_repaired"
    STORE_FULL = "store_full"
    CHANNEL_FAILING = "channel_failing"
    CHANNEL_RECOVERED = "channel_recovered"
    NOTIFICATION_FAILED = "notification_failed"
    HEARTBEAT_UP = "heartbeat_up"
    HEARTBEAT_LATE = "heartbeat_late"
    HEARTBEAT_DOWN = "heartbeat_down"
    MACHINE_REBOOTED = "machine_rebooted"
    ALERT_FIRED = "alert_fired"
    ALERT_RESOLVED = "alert_resolved"
    ALERT_UNKNOWN = "alert_unknown"
    ALERT_MISSED = "alert_missed"
    INCIDENT_CHANGED = "incident_changed"
    MARK = "mark"
    SERVER_WAITING = "server_waiting"
    SERVER_HELD = "server_held"
    SERVER_BUSY = "server_busy"
    SERVER_HUNG = "server_hung"
    SERVER_LIVES = "server_lives"
    SERVER_PAUSED = "server_paused"
    SERVER_RESUMED = "server_resumed"
    LOAD_EXPECTED = "load_expected"
    LIMIT_EXCEEDED = "limit_exceeded"
    LIMIT_KEPT = "limit_kept"
    RESTART_MISSED = "restart_missed"
    EVIDENCE_SAVED = "evidence_saved"
    PERSON_NEEDED = "person_needed"
    LOG_FLOODED = "log_flooded"
    LOG_CALM = "log_calm"
    STRESS_STARTED = "stress_started"
    STRESS_PHASE = "stress_phase"
    STRESS_ENDED = "stress_ended"
    DRILL_STARTED = "drill_started"
    DRILL_ENDED = "drill_ended"


_order = itertools.count()


def new_id(at: int) -> str:
    """An id for a thing that happened at `at` (ms): unique, and sorting by it sorts by time, then by the order of asking."""
    return f"{at:012x}-{next(_order) & 0xFFFFFF:06x}{os.urandom(4).hex()}"


Severity = Literal["info", "warning", "critical"]


class Event(msgspec.Struct, frozen=True):
    """Something that happened once, at an instant. `id` is unique, so telling it twice is harmless.

    `text` is one sentence for a person; `facts` are the same things for a program
    (``{"exit_code": "-9", "pid": "4711"}``).
    """

    id: str
    at: int
    kind: EventKind
    text: str
    machine: str = ""
    server: str = ""
    severity: Severity = "info"
    facts: dict[str, str] = {}


class ServerState(enum.StrEnum):
    """Where a supervised server stands in its life cycle (`control/lifecycle.py` owns the transitions)."""

    STOPPED = "stopped"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    EXITED = "exited"


WELL = "ended well"
"""So the exit begins of a server that has no exit status of its own and that whoever keeps it has stopped, or that is done."""

Health = Literal["up", "down", "unknown"]

Verb = Literal["start", "stop", "restart", "pause", "resume", "expect", "drill"]
"""What may be ordered. ``expect``: heavy work is announced, so that its server is not taken for hung; ``drill``: it is held
for some seconds (0: let go), so that it is seen whether anybody hears of it, and only where its own table consents."""

VERBS: tuple[Verb, ...] = get_args(Verb)

OURSELVES = "watchkeeper"
"""Who acts when nobody has ordered it."""


class ProbeResult(msgspec.Struct, frozen=True):
    """The last attempt of one probe. `why` is empty on success; `at` is 0 before the first attempt."""

    name: str
    kind: str
    ok: bool
    at: int = 0
    duration: float = 0.0
    why: str = ""


HeartbeatState = Literal["new", "up", "late", "down"]
"""How a heartbeat stands that somebody else has to send."""


class Notes(NamedTuple):
    """What an attempt of a probe writes down: `figures` by metric name, of one that fails as of one that does not.

    `folder` is that probe's own, for what must last from one attempt to the next; it need not exist yet.
    """

    figures: dict[str, float]
    folder: Path


class ServerStatus(msgspec.Struct, frozen=True):
    """Where one server stands now, as its agent sees it.

    `since` is when `state` was entered, `started_at` when the present process was spawned (0: none),
    `next_attempt_at` when the next start is due (0: none), `reason` why it is in this state, in words. `liveness` is what its
    signs of life tell (empty: nothing is known), with the reason in `liveness_why`, and `says` is what it says of itself.
    `paused_until` is 0 when it is not paused, -1 when it is until somebody resumes it. `asks` is what a person must decide,
    `restart_at` the next restart by its schedule (0: none), `allowed` what its agent lets a hub do,
    `stress` where its operator lets it be put under load (``protocol url`` each; none: nowhere).
    """

    name: str
    driver: str
    state: ServerState
    health: Health
    since: int
    reason: str = ""
    pid: int = 0
    started_at: int = 0
    restarts: int = 0
    last_exit: str = ""
    next_attempt_at: int = 0
    probes: tuple[ProbeResult, ...] = ()
    group: str = ""
    liveness: Literal["", "fine", "busy", "hung"] = ""
    liveness_why: str = ""
    says: str = ""
    paused_until: int = 0
    paused_why: str = ""
    asks: str = ""
    restart_at: int = 0
    allowed: tuple[Verb, ...] = ()
    stress: tuple[str, ...] = ()


class Machine(msgspec.Struct, frozen=True):
    """A watched computer, as its agent introduces it. `boot_at` is 0 where the system does not tell."""

    name: str
    os: str
    kernel: str
    architecture: str
    cpus: int
    memory_bytes: int
    boot_at: int
    agent_version: str
    agent_started_at: int


class Seen(NamedTuple):
    """What a driver sees of its server. `words` say it as the driver does (systemd's ``active (running)``).

    `mark` tells one run of it from the next; `pid` and `started_at` (ms) are 0 where nobody can tell. `clean`: of one
    that does not run, that it has not failed. ``unknown`` is no answer at all: neither up nor down.
    """

    state: Literal["running", "starting", "stopping", "stopped", "failed", "unknown"]
    words: str = ""
    pid: int = 0
    started_at: int = 0
    mark: str = ""
    clean: bool = True


class Action(msgspec.Struct, frozen=True):
    """An order to one server: a journal row before it is a message.

    `by` is a person or a program, ``watchkeeper`` for what an agent did by itself; `reason` is their own. `seconds` is for
    how long, where the verb has that (0: until it is taken back); a `dry_run` is only answered with what would happen.
    """

    id: str
    at: int
    machine: str
    server: str
    verb: Verb
    by: str
    reason: str = ""
    seconds: float = 0.0
    dry_run: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """How an action ended. `text` is one sentence for a person."""

    action: str
    at: int
    ok: bool
    text: str


class LogLines(msgspec.Struct, frozen=True):
    """Some lines of a server's captured output, oldest first. `end` says that no more will come for `ask`."""

    ask: str
    lines: tuple[str, ...]
    end: bool
    why: str = ""
