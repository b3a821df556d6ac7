"""`watchkeeper top`: one picture, JSON, and the live screen driven by keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog, Static

from watchkeeper.cli.client import PromAnswer
from watchkeeper.cli.live.feed import Feed, Heard, Lost
from watchkeeper.cli.live.lines import Join
from watchkeeper.cli.live.past import Minute
from watchkeeper.cli.live.picture import HEADS, NARROW, heads, machine_line, order
from watchkeeper.cli.live.programs import Program, lines, look
from watchkeeper.cli.live.screen import Asking, Top
from watchkeeper.model import Event, EventKind, Machine, ServerState, ServerStatus
from watchkeeper.telling import Incident
from watchkeeper.web.shapes import (
    ActionView,
    LogNews,
    LogsFollow,
    MachineFigures,
    MachineView,
    News,
    ServerFigures,
    ServerView,
    Tick,
)

NOW = 1_760_000_000_000


def server(name: str, state: str = "running", health: Any = "up", machine: str = "kiosk") -> ServerView:
    """A server as the hub tells it."""
    status = ServerStatus(name, "process", ServerState(state), health, NOW, "why", 4711, NOW - 65_000)
    return ServerView(machine, status, health, ServerFigures(cpu_ratio=0.125, memory_bytes=200 << 20))


def machine(name: str = "kiosk", *, up: bool = True) -> MachineView:
    """A machine as the hub tells it."""
    told = Machine(name, "Linux", "6.1", "x86_64", 4, 8 << 30, NOW - 10**8, "0.1.0", NOW)
    return MachineView(told, "up" if up else "unknown", up, NOW - 30_000, 1.0, MachineFigures(cpu_ratio=0.5, load1=0.42))


def tick(*servers: ServerView) -> Tick:
    """What the hub says each second."""
    return Tick(NOW, "All is well.", 0, (machine(),), servers, ())


def incident(title: str, **more: Any) -> Incident:
    """An incident as the hub tells it."""
    return Incident(title, title, title, more.pop("severity", "critical"), more.pop("state", "open"), NOW - 90_000, **more)


class Said:
    """A feed that says what the test puts in and notes what it is asked for."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.asked: list[tuple[str, ...]] = []
        self.going: list[Incident] = []

    async def incidents(self) -> tuple[Incident, ...]:
        """What the test says."""
        return tuple(self.going)

    async def acknowledge(self, identity: str) -> Incident:
        """Note it."""
        self.asked.append(("acknowledge", identity))
        self.going = [msgspec.structs.replace(one, state="acknowledged", acknowledged_by="me") for one in self.going]
        return self.going[0]

    async def programs(self, of: str) -> list[Program]:
        """One that weighs."""
        self.asked.append(("programs", of))
        return [Program("python3 backup.py", 0.93, 80 << 20, 3, 5e6)]

    async def listen(self) -> AsyncIterator[Heard]:
        """What was put in."""
        while True:
            yield await self.heard.get()

    async def follow(self, of: str, name: str) -> None:
        """Note it."""
        self.asked.append(("follow", of, name))

    async def act(self, of: str, name: str, verb: str) -> ActionView:
        """Note it, and say that it is under way."""
        self.asked.append((verb, of, name))
        return ActionView("1", NOW, of, name, verb, "me", "sent")  # type: ignore[arg-type]  # each is one of the verbs


def text_of(app: Top, name: str) -> str:
    """What a line of the screen says."""
    return str(app.query_one(f"#{name}", Static).render())


async def test_the_screen_shows_and_acts() -> None:
    """Figures as they come; start at once, stop only after a yes; output of the chosen one; the hub's absence said."""
    feed = Said()
    app = Top(feed)  # type: ignore[arg-type]  # it satisfies what the screen uses of a feed
    async with app.run_test(size=(120, 24)) as pilot:
        feed.heard.put_nowait(tick(server("alpha"), server("beta", "stopped", "down")))
        await pilot.pause(0.1)
        table = app.query_one("#servers", DataTable)
        assert [str(table.get_row_at(row)[0]) for row in range(2)] == ["beta", "alpha"]
        assert "All is well." in text_of(app, "sentence")
        assert "kiosk" in text_of(app, "machines")
        await pilot.press("s")
        await pilot.pause(0.1)
        assert feed.asked == [("start", "kiosk", "beta")]
        await pilot.press("down", "x")
        await pilot.pause(0.1)
        assert isinstance(app.screen, Asking)
        await pilot.press("n")
        assert len(feed.asked) == 1
        await pilot.press("x")
        await pilot.pause(0.1)
        await pilot.press("y")
        await pilot.pause(0.1)
        assert feed.asked[-1] == ("stop", "kiosk", "alpha")
        await pilot.press("l")
        feed.heard.put_nowait(LogNews("kiosk", "alpha", ("one line", "[b]no markup[/b]")))
        feed.heard.put_nowait(News(Event("1", NOW, EventKind.SERVER_EXITED, "alpha has ended", "kiosk", "alpha")))
        await pilot.pause(0.2)
        assert feed.asked[-1] == ("follow", "kiosk", "alpha")
        lines = [strip.text.rstrip() for strip in app.query_one("#output", RichLog).lines]
        assert lines == ["one line", "[b]no markup[/b]"]
        assert "alpha has ended" in text_of(app, "news")
        feed.heard.put_nowait(Lost("the hub is gone"))
        await pilot.pause(0.1)
        assert "the hub is gone; trying again" in text_of(app, "sentence")
        feed.heard.put_nowait(tick(server("alpha")))
        await pilot.pause(0.1)
        assert "All is well." in text_of(app, "sentence")
        assert table.row_count == 1
        await pilot.resize_terminal(60, 14)
        await pilot.pause(0.2)
        assert len(table.columns) == len(NARROW)
        await pilot.press("q")


async def test_what_takes_a_machine_is_told_and_put_away() -> None:
    """The machine of the chosen server, by one key and back."""
    feed = Said()
    app = Top(feed)  # type: ignore[arg-type]  # it satisfies what the screen uses of a feed
    async with app.run_test(size=(120, 24)) as pilot:
        feed.heard.put_nowait(tick(server("alpha", machine="kiosk")))
        await pilot.pause(0.1)
        await pilot.press("p")
        await until(pilot, lambda: "python3 backup.py (3)" in text_of(app, "programs"))
        assert "93%" in text_of(app, "programs").replace(" ", "")
        assert feed.asked == [("programs", "kiosk")]
        await pilot.press("p")
        await pilot.pause(0.1)
        assert not app.query_one("#programs").has_class("shown")
        await pilot.press("q")


def test_programs_are_asked_for_and_ordered() -> None:
    """The busiest first, what is not known last; a machine's name is quoted; none is said."""
    answers = {
        "cpu_seconds": {"idle": 0.0, "busy": 1.5},
        "resident": {"idle": 9.0, "busy": 1.0, "fresh": 5.0},
        "processes": {"idle": 1, "busy": 2},
        "read_bytes": {"busy": 10.0},
    }
    asked: list[str] = []

    def ask(question: str) -> PromAnswer:
        asked.append(question)
        found = next(told for name, told in answers.items() if name in question)
        return PromAnswer("vector", [{"metric": {"program": name}, "value": [1, str(value)]} for name, value in found.items()])

    found = look(ask, 'a"b')
    assert [one.name for one in found] == ["busy", "idle", "fresh"]
    assert found[0] == Program("busy", 1.5, 1.0, 2.0, 10.0)
    assert all('machine="a\\"b"' in question for question in asked)
    assert all(len(line) < 60 for line in lines("kiosk", found, 60))
    assert "has not told" in str(lines("kiosk", [], 60)[1])


def test_an_output_that_is_asked_for_again_goes_on() -> None:
    """When its agent is back the whole tail comes once more: what was shown is not repeated; why it stopped is told once."""
    feed = Feed(lambda: pytest.fail("nobody is asked"))
    feed._followed = LogsFollow("kiosk", "alpha", 10)
    gone = LogNews("kiosk", "alpha", (), "its agent is not connected")
    told = [feed._fresh(LogNews("kiosk", "alpha", ("a", "b"))), feed._fresh(gone)]
    feed._join = Join(feed._lines)  # asked for again, in vain
    told.append(feed._fresh(gone))
    feed._join = Join(feed._lines)  # and again
    told += [feed._fresh(LogNews("kiosk", "alpha", ("a", "b", "c"))), feed._fresh(LogNews("kiosk", "alpha", ("d",)))]
    assert [one.lines for one in told] == [("a", "b"), (), (), ("c",), ("d",)]
    assert [one.why for one in told] == ["", "its agent is not connected", "", "", ""]
    other = LogNews("kiosk", "beta", ("a",))
    assert feed._fresh(other) is other


async def test_incidents_stand_above_and_are_taken_in_hand() -> None:
    """What goes on is seen with the first tick; `a` asks before it acknowledges the first that waits, and says so."""
    feed = Said()
    feed.going = [incident("disk of kiosk is full"), incident("shop is slow", severity="warning")]
    app = Top(feed)  # type: ignore[arg-type]  # it satisfies what the screen uses of a feed
    async with app.run_test(size=(120, 24)) as pilot:
        feed.heard.put_nowait(tick(server("alpha")))
        await until(pilot, lambda: "disk of kiosk is full" in text_of(app, "incidents"))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Asking))
        await pilot.press("n")
        assert not feed.asked
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Asking))
        await pilot.press("y")
        await until(pilot, lambda: "me looks after it" in text_of(app, "incidents"))
        assert feed.asked == [("acknowledge", "disk of kiosk is full")]
        await pilot.press("a")
        await until(pilot, lambda: "no incident waits" in text_of(app, "news"))
        feed.going = []
        app._look_up()
        await until(pilot, lambda: not app.query_one("#incidents").has_class("shown"))


async def test_a_filter_shows_what_matches() -> None:
    """Slash, then any parts of names of machine and server; Enter goes back to the rows, Escape shows all again."""
    feed = Said()
    app = Top(feed)  # type: ignore[arg-type]  # as above
    async with app.run_test(size=(120, 24)) as pilot:
        feed.heard.put_nowait(tick(server("alpha"), server("beta"), server("alto", machine="other")))
        table = app.query_one("#servers", DataTable)
        await until(pilot, lambda: table.row_count == 3)
        await pilot.press("slash", "A", "l")
        await until(pilot, lambda: table.row_count == 2)
        await pilot.press("space", "k", "i")
        await until(pilot, lambda: [str(table.get_row_at(row)[0]) for row in range(table.row_count)] == ["alpha"])
        await pilot.press("enter", "s")
        await until(pilot, lambda: feed.asked == [("start", "kiosk", "alpha")])
        await pilot.press("escape")
        await until(pilot, lambda: table.row_count == 3)


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait until the screen has got there."""
    async with asyncio.timeout(20):
        while not true():
            await pilot.pause(0.02)


def test_the_worst_stands_first() -> None:
    """Down, unknown, on its way, stopped on purpose, up."""
    servers = [
        server("e"),
        server("d", "stopped", "down"),
        server("c", "starting", "unknown"),
        server("b", "running", "unknown", "gone"),
        server("a", "backoff", "down"),
    ]
    servers[2] = server("c", "starting", "unknown")
    assert [view.status.name for view in order(servers)] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("width", [40, 60, 89, 90, 124, 125, 300])
def test_every_width_has_its_columns(width: int) -> None:
    """Few columns on a small screen; a machine's line stays shorter than the screen from 60 columns on."""
    assert heads(width) == (NARROW if width < 90 else HEADS)
    line = machine_line(machine(), Minute(), NOW, width)
    assert isinstance(line, Text)
    assert width < 60 or len(line.plain) <= width


def test_a_silent_machine_says_since_when() -> None:
    """Not its last figures, but that they are old."""
    line = machine_line(machine(up=False), Minute(), NOW, 120).plain
    assert "out of touch" in line
    assert "30 s ago" in line
    assert "%" not in line


def test_once_and_json_on_the_real_shapes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal it prints one picture; with --json the overview."""
    from watchkeeper.cli import main, top  # noqa: PLC0415  # patched below
    from watchkeeper.web.shapes import Overview  # noqa: PLC0415  # only this verb needs it

    class Hub:
        """What `connect` gives."""

        def overview(self) -> Overview:
            """Everything."""
            return Overview(NOW, "All is well.", 0, (machine(),), (server("alpha"),), ())

        def incidents(self) -> tuple[Incident, ...]:
            """What goes on."""
            return (incident("disk of kiosk is full", acknowledged_by="ann", state="acknowledged"),)

    monkeypatch.setattr(top, "connect", lambda _: Hub())
    assert main(["top"]) == 0
    said = capsys.readouterr().out
    assert "All is well." in said
    assert "alpha" in said
    assert "disk of kiosk is full  ann looks after it" in said
    assert "LAST MINUTE" not in said
    assert main(["top", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["servers"][0]["status"]["name"] == "alpha"
