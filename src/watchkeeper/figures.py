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

MACHINE_UP = Family("watchkeeper_machine_up", "gauge", "Whether the machine's agent is connected.")
UP = Family("up", "gauge", "The same with `job` and `instance`, under the name that rules and dashboards have for it.")
"""Kept in the store alone: on a page of figures it would be taken for what its reader says of the page."""

_FLEET = {
    "frames": "Frames taken from agents.",
    "samples": "Samples in the frames taken.",
    "resent": "Frames that had been taken before.",
    "events": "Events taken from agents.",
    "refused": "Packets refused as malformed, too early or without room.",
}


REMOTE_FAMILIES = (
    Family("watchkeeper_remote_series", "gauge", "Series that others have written lately."),
    Family("watchkeeper_remote_streams", "gauge", "Streams in which these are kept."),
    Family("watchkeeper_remote_received_requests_total", "counter", "Bodies of remote write taken."),
    Family("watchkeeper_remote_received_samples_total", "counter", "Samples taken by remote write."),
    Family("watchkeeper_remote_received_resent_total", "counter", "Samples written to us that were there already."),
    Family("watchkeeper_remote_received_out_of_order_total", "counter", "Samples refused as older than their series' newest."),
    Family("watchkeeper_remote_received_too_far_ahead_total", "counter", "Samples refused as ahead of the hub's clock."),
    Family("watchkeeper_remote_received_histograms_total", "counter", "Native histograms written to us and left out."),
    Family("watchkeeper_remote_received_refused_total", "counter", "Bodies of remote write that could not be read."),
    Family("watchkeeper_remote_write_up", "gauge", "Whether the `target` took the last request."),
    Family("watchkeeper_remote_write_behind_bytes", "gauge", "Bytes of the log that the `target` has not taken yet."),
    Family("watchkeeper_remote_write_lost_bytes_total", "counter", "Bytes of the log that went before the `target` took them."),
    Family("watchkeeper_remote_write_requests_total", "counter", "Requests sent to the `target`."),
    Family("watchkeeper_remote_write_samples_total", "counter", "Samples that the `target` took."),
    Family(
        "watchkeeper_remote_write_retries_total", "counter", "Requests that the `target` did not take; they are sent again."
    ),
    Family("watchkeeper_remote_write_dropped_samples_total", "counter", "Samples that the `target` refused for what they are."),
)


def remote_figures(receiver: Receiver, senders: Sequence[Sender]) -> list[Figure]:
    """What others write to us, and what we hand on; the latter by target, if there is one."""
    figures = []
    for family in REMOTE_FAMILIES:
        if family.name.startswith(_SENT):
            values = [(_labels(target=one.target.called), _sent(one, family.name)) for one in senders]
        else:
            values = [((), _received(receiver, family.name))]
        if values:
            figures.append(Figure(family, values))
    return figures


_RECEIVED, _SENT = "watchkeeper_remote_received_", "watchkeeper_remote_write_"


def _received(receiver: Receiver, name: str) -> float:
    if name == "watchkeeper_remote_series":
        return receiver.series
    if name == "watchkeeper_remote_streams":
        return receiver.streams
    return float(getattr(receiver.tally, name.removeprefix(_RECEIVED).removesuffix("_total")))


def _sent(sender: Sender, name: str) -> float:
    what = name.removeprefix(_SENT).removesuffix("_total")
    match what:
        case "up":
            return float(not sender.trouble)
        case "behind_bytes":
            return sender.follower.behind
        case "lost_bytes":
            return sender.follower.lost
    return float(getattr(sender.tally, what))


def hub_figures(fleet: Fleet, store: msgspec.Struct | object, listeners: int) -> list[Figure]:
    """All of them, now. `store` is the store's statistics: each number becomes ``watchkeeper_store_<name>``."""
    machines = fleet.known()
    up = [(_labels(machine=one.machine.name), float(fleet.link(one.machine.name) is not None)) for one in machines]
    seen = [(_labels(machine=one.machine.name), one.seen_at / 1000) for one in machines]
    figures = [
        Figure(MACHINE_UP, up),
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
    """The same as a layout and a frame for the store, with `UP` of every machine."""
    up = [_up(*pair) for figure in figures if figure.family is MACHINE_UP for pair in figure.values]
    told = [*figures, Figure(UP, up)]
    series = tuple(Series(figure.family.name, labels) for figure in told for labels, _ in figure.values)
    layout = dictionary(series, tuple(figure.family for figure in told))
    values = array("d", (value for figure in told for _, value in figure.values))
    return layout, Frame(STREAM, layout.id, at, values.tobytes())


def _up(labels: Labels, value: float) -> tuple[Labels, float]:
    machine = dict(labels)["machine"]
    return _labels(machine=machine, instance=machine, job="node"), value


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
