"""The hub's own figures as a frame of its own store."""

from __future__ import annotations

import struct

from watchkeeper.figures import MACHINE_UP, hub_frame
from watchkeeper.model import Family, Series
from watchkeeper.web.desk import Figure


def test_every_machine_is_up_or_not_under_the_name_that_rules_know() -> None:
    """Beside our own name for it, with the labels that host figures have."""
    machines = [((("machine", name),), value) for name, value in (("a", 1.0), ("b", 0.0))]
    pages = Figure(Family("watchkeeper_hub_live_pages", "gauge", "Pages."), [((), 3.0)])
    layout, frame = hub_frame([Figure(MACHINE_UP, machines), pages], 1_760_000_000_000)
    values = struct.unpack(f"<{len(layout.series)}d", frame.values)
    told = dict(zip(layout.series, values, strict=True))
    assert told[Series("watchkeeper_machine_up", (("machine", "b"),))] == 0.0
    assert told[Series("watchkeeper_hub_live_pages", ())] == 3.0
    assert {one: value for one, value in told.items() if one.name == "up"} == {
        Series("up", (("instance", "a"), ("job", "node"), ("machine", "a"))): 1.0,
        Series("up", (("instance", "b"), ("job", "node"), ("machine", "b"))): 0.0,
    }


def test_a_hub_without_machines_has_figures_too() -> None:
    """A fresh one."""
    layout, frame = hub_frame([Figure(MACHINE_UP, [])], 1)
    assert (layout.series, frame.values) == ((), b"")
