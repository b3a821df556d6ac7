"""What a page is told next: all at first, then what is new of what it shows, and of the rest how it stands."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from watchkeeper.model import Machine, ProbeResult, ServerState, ServerStatus
from watchkeeper.web.board import Kept, Reading
from watchkeeper.web.ledger import Ledger
from watchkeeper.web.shapes import MachineFigures, MachineView, ServerFigures, ServerView

AT = 1_000_000


def kept(machine: str, revision: int, load: float = 0.0, health: str = "up", **status: object) -> Kept:
    """A machine with one server."""
    told = msgspec.structs.replace(ServerStatus("web", "process", ServerState.RUNNING, "up", 1, pid=1), **status)
    itself = Machine(machine, "Linux", "6", "x86_64", 1, 1, 1, "1", 1)
    view = MachineView(itself, health, health == "up", AT + revision, 5.0, MachineFigures(load1=load))
    return Kept(AT, 1, health, view, (ServerView(machine, told, health, ServerFigures()),), {}, (told,), revision=revision)


def reading(*all_kept: Kept) -> Reading:
    """All of them at one instant."""
    by_name: Mapping[str, Kept] = {one.machine.machine.name: one for one in all_kept}
    servers = tuple(view for one in all_kept for view in one.servers)
    newest = max((one.revision for one in all_kept), default=0)
    return Reading(AT, "", 0, tuple(one.machine for one in all_kept), servers, kept=by_name, revision=newest)


def told(ledger: Ledger, now: Reading, shown: set[str] | None) -> tuple[list[str], bool]:
    """The machines that are told, and whether that is a part."""
    due = ledger.due(now, shown)
    assert {view.machine for view in due.servers} == {view.machine.name for view in due.machines}
    return [view.machine.name for view in due.machines], due.partial


def test_all_at_first_then_what_has_changed() -> None:
    """Without a choice every change is told once."""
    ledger = Ledger()
    assert told(ledger, reading(kept("a", 1), kept("b", 2)), None) == (["a", "b"], False)
    assert told(ledger, reading(kept("a", 1), kept("b", 2)), None) == ([], True)
    assert told(ledger, reading(kept("a", 1), kept("b", 3, 0.5)), None) == (["b"], True)


def test_figures_out_of_sight_are_not_told_until_they_are_shown() -> None:
    """Another load of a machine that is not shown is no news; it is as soon as its row comes into sight."""
    ledger = Ledger()
    ledger.due(reading(kept("a", 1), kept("b", 2)), {"a"})
    assert told(ledger, reading(kept("a", 1), kept("b", 3, 0.5)), {"a"}) == ([], True)
    assert told(ledger, reading(kept("a", 1), kept("b", 3, 0.5)), {"b"}) == (["b"], True)
    assert told(ledger, reading(kept("a", 1), kept("b", 3, 0.5)), {"b"}) == ([], True)


def test_how_anything_stands_is_told_to_all() -> None:
    """Health, a state, what a probe says: all of that is news of what is out of sight, too; when a probe asked is not."""
    ledger = Ledger()
    probe = ProbeResult("http", "http", ok=True, at=1)
    ledger.due(reading(kept("a", 1), kept("b", 2, probes=(probe,))), {"a"})
    later = (msgspec.structs.replace(probe, at=9),)
    assert told(ledger, reading(kept("a", 1), kept("b", 3, probes=later)), {"a"}) == ([], True)
    failed = (msgspec.structs.replace(probe, ok=False, why="refused"),)
    assert told(ledger, reading(kept("a", 1), kept("b", 4, probes=failed)), {"a"}) == (["b"], True)
    assert told(ledger, reading(kept("a", 1), kept("b", 5, state=ServerState.BACKOFF, probes=failed)), {"a"}) == (["b"], True)
    assert told(ledger, reading(kept("a", 1), kept("b", 6, health="unknown")), {"a"}) == (["b"], True)


def test_what_is_gone_has_everything_told_anew() -> None:
    """A machine or a server that is no more cannot be told as a change: the page gets the whole."""
    ledger = Ledger()
    ledger.due(reading(kept("a", 1), kept("b", 2)), {"a"})
    assert told(ledger, reading(kept("a", 1)), {"a"}) == (["a"], False)
    assert told(ledger, reading(kept("a", 3, name="other")), {"a"}) == (["a"], False)


def test_one_that_goes_while_its_figures_are_held_back_is_missed_by_nobody() -> None:
    """It is not told, whoever scrolls to where it was; the page gets the whole without it."""
    ledger = Ledger()
    ledger.due(reading(kept("a", 1), kept("b", 2)), {"a"})
    assert told(ledger, reading(kept("a", 1), kept("b", 3, 0.5)), {"a"}) == ([], True)
    assert told(ledger, reading(kept("a", 1)), {"a", "b"}) == (["a"], False)
