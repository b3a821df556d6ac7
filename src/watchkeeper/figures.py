"""The hub's own figures: what it has taken, what it keeps, who is connected, what it costs.

Read by ``/metrics`` and, as one more stream, by the hub's own store: a silent agent is a series
like any other (``watchkeeper_machine_up``). Reading them is cheap and changes nothing.
"""

from __future__ import annotations

import math
import os
import time
from array import array
from collections.abc import Sequence

import msgspec

from watchkeeper.fleet import Fleet
from watchkeeper.model import Dictionary, Family, Frame, Labels, Series, dictionary
from watchkeeper.remote.receiver import Receiver
from watchkeeper.remote.sender import Sender
from watchkeeper.web.desk import Figure

STREAM = "5s"
MACHINE = "_hub"
"""The machine under which the hub keeps its own stream: no agent can have this name."""

_FLEET = {
    "frames": "Frames taken from agents.",
    "samples": "Samples in the frames taken.",
    "resent": "Frames that had been taken before.",
    "events": "Events taken from agents.",
    "refused": "Packets refused as malformed, too early or without room.",
}


_RECEIVED = {
    "requests": "Bodies of remote write taken.",
    "samples": "Samples taken by remote write.",
    "resent": "Samples written to us that were there already.",
    "out_of_order": "Samples written to us that were older than their series' newest, and refused.",
    "too_far_ahead": "Samples written to us that were ahead of the hub's clock, and refused.",
    "histograms": "Native histograms written to us and left out.",
    "refused": "Bodies of remote write that could not be read.",
}


_SENT = {
    "requests": "Requests sent.",
    "samples": "Samples that were taken, absent ones counted in.",
    "retries": "Requests that were not taken and are sent again.",
    "dropped_samples": "Samples that were refused for what they are, and left out.",
}


def remote_figures(receiver: Receiver, senders: Sequence[Sender]) -> list[Figure]:
    """What others write to us, and what we hand on."""
    figures = [
        _one("watchkeeper_remote_series", "gauge", "Series that others have written lately.", receiver.series),
        _one("watchkeeper_remote_streams", "gauge", "Streams in which these are kept.", receiver.streams),
        *(
            _one(f"watchkeeper_remote_received_{name}_total", "counter", about, getattr(receiver.tally, name))
            for name, about in _RECEIVED.items()
        ),
    ]
    if not senders:
        return figures
    figures += [
        _of_targets(f"{name}_total", "counter", about, [(one, getattr(one.tally, name)) for one in senders])
        for name, about in _SENT.items()
    ]
    return [
        *figures,
        _of_targets("up", "gauge", "Whether the last request was taken.", [(one, not one.trouble) for one in senders]),
        _of_targets(
            "behind_bytes", "gauge", "Bytes of the log not handed on yet.", [(one, one.follower.behind) for one in senders]
        ),
        _of_targets(
            "lost_bytes_total", "counter", "Bytes of the log that went unsent.", [(one, one.follower.lost) for one in senders]
        ),
    ]


def _of_targets(name: str, kind: str, about: str, values: Sequence[tuple[Sender, float]]) -> Figure:
    family = msgspec.convert((f"watchkeeper_remote_write_{name}", kind, about), Family)
    return Figure(family, [(_labels(target=one.target.called), float(value)) for one, value in values])


def hub_figures(fleet: Fleet, store: msgspec.Struct | object, listeners: int) -> list[Figure]:
    """All of them, now. `store` is the store's statistics: each number becomes ``watchkeeper_store_<name>``."""
    machines = fleet.known()
    up = [(_labels(machine=one.machine.name), float(fleet.link(one.machine.name) is not None)) for one in machines]
    seen = [(_labels(machine=one.machine.name), one.seen_at / 1000) for one in machines]
    figures = [
        Figure(Family("watchkeeper_machine_up", "gauge", "Whether the machine's agent is connected."), up),
        Figure(Family("watchkeeper_machine_seen_timestamp_seconds", "gauge", "When the agent last spoke."), seen),
        _one("watchkeeper_hub_live_pages", "gauge", "Pages that follow the live stream.", listeners),
        _one("watchkeeper_hub_cpu_seconds_total", "counter", "CPU time of the hub.", time.process_time()),
        _one("watchkeeper_hub_resident_memory_bytes", "gauge", "Resident memory of the hub.", _resident()),
    ]
    for name, about in _FLEET.items():
        figures.append(_one(f"watchkeeper_hub_{name}_total", "counter", about, getattr(fleet.tally, name)))
    for name, value in msgspec.structs.asdict(store).items() if isinstance(store, msgspec.Struct) else ():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            figures.append(_one(f"watchkeeper_store_{name}", "untyped", f"The store's {name.replace('_', ' ')}.", value))
    return figures


def hub_frame(figures: Sequence[Figure], at: int) -> tuple[Dictionary, Frame]:
    """The same as a layout and a frame for the store."""
    series = tuple(Series(figure.family.name, labels) for figure in figures for labels, _ in figure.values)
    layout = dictionary(series, tuple(figure.family for figure in figures))
    values = array("d", (value for figure in figures for _, value in figure.values))
    return layout, Frame(STREAM, layout.id, at, values.tobytes())


def _one(name: str, kind: str, about: str, value: float) -> Figure:
    return Figure(msgspec.convert((name, kind, about), Family), [((), float(value))])


def _labels(**labels: str) -> Labels:
    return tuple(sorted(labels.items()))


def _resident() -> float:
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123  # a quarter of Path.open's cost
            return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return math.nan
