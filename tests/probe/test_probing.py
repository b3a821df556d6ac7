"""The probes' frame: verdicts need enough misses, figures stay aligned, faults stay inside."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.clock import SystemClock
from watchkeeper.config import Asked
from watchkeeper.errors import Failed
from watchkeeper.model import Event, EventKind, Notes
from watchkeeper.probe import Http, Tcp
from watchkeeper.probe.patience import Patience
from watchkeeper.probe.probing import Asking, Probing, Verdict, folder_name, judge, name_probes
from watchkeeper.quantities import Duration


class Scripted(Asked, frozen=True, tag_field="kind", tag="scripted"):
    """A leaf that answers as its script says, and then as its last word said."""

    script: list[object] = []

    async def attempt(self, notes: Notes) -> None:
        """Take the next word: figures, a fault, or a number of seconds to hang."""
        word = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(word, BaseException):
            notes.figures["probe_http_content_length"] = 1.0
            raise word
        if isinstance(word, float):
            await asyncio.sleep(word)
        else:
            notes.figures.update(word)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_a_verdict_follows_the_run_of_attempts(attempts: list[bool], tolerated: int) -> None:
    """Up after any success, down exactly after `tolerated` misses in a row, unknown before either."""
    verdict = Verdict()
    run = 0
    expected = "unknown"
    for ok in attempts:
        verdict = judge(verdict, ok=ok, why="x", tolerated=tolerated)
        run = 0 if ok else run + 1
        expected = "up" if ok else "down" if run >= tolerated else expected
        assert verdict.health == expected
        assert verdict.misses == run


class Told:
    """Remembers what the frame told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.verdicts: list[tuple[str, str, str]] = []
        self.answers: list[tuple[str, str, bool, str]] = []
        self.wanted = True

    def changed(self, server: str, health: str, why: str) -> None:
        """A new verdict."""
        self.verdicts.append((server, health, why))


@asynccontextmanager
async def probing(told: Told, *leaves: object, period: float = 0.01) -> AsyncIterator[Probing]:
    """A running frame that asks these leaves of the server ``web``."""
    frame = Probing(
        SystemClock(),
        Path("/nowhere"),
        wanted=lambda _: told.wanted,
        changed=told.changed,
        emit=told.events.append,
        answered=lambda *answer: told.answers.append(answer),
    )
    frame.replace([Asking("web", f"p{n}", leaf, period) for n, leaf in enumerate(leaves)])  # type: ignore[arg-type]  # a scripted probe stands for a leaf
    async with asyncio.TaskGroup() as group:
        task = group.create_task(frame.run())
        yield frame
        task.cancel()


async def until(condition: object) -> None:
    """Wait until a condition holds, at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]  # any callable
            await asyncio.sleep(0.005)


async def test_failures_and_recovery_are_told_once() -> None:
    """Three misses make one event with the reason, the next success one more; single misses make none."""
    told = Told()
    bad = Failed("HTTP status 500")
    script = [{}, bad, {}, bad, bad, bad, bad, {}]
    async with probing(told, Scripted(script=script)) as frame:
        await until(lambda: len(told.events) == 2)
        assert [event.kind for event in told.events] == [EventKind.PROBE_FAILED, EventKind.PROBE_RECOVERED]
        assert "HTTP status 500" in told.events[0].text
        assert [health for _, health, _ in told.verdicts] == ["up", "down", "up"]
        assert frame.health("web") == ("up", "answered")


async def test_a_hanging_and_a_broken_probe_are_misses_and_hold_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A time-out and a bug inside a leaf count as misses with a reason, while another probe goes on."""
    told = Told()
    slow = Scripted(script=[9.0], timeout=Duration(0.02))
    broken = Scripted(script=[ZeroDivisionError("bug")])
    async with probing(told, slow, broken, Scripted(script=[{"probe_http_status_code": 200.0}])) as frame:
        await until(lambda: len(frame.results("web")) == 3)
        why = {result.name: result.why for result in frame.results("web")}
        assert why == {"p0": "no answer within 20ms", "p1": "the probe itself broke; see the agent's log", "p2": ""}
    assert "ZeroDivisionError" in caplog.text


async def test_figures_keep_their_columns() -> None:
    """A figure that is gone is NaN in its old column, and the layout object stays the same while nothing is new."""
    told = Told()
    frame = Probing(
        SystemClock(), Path("/nowhere"), wanted=lambda _: told.wanted, changed=told.changed, emit=told.events.append
    )
    first_word = {"probe_http_status_code": 200.0, "probe_http_content_length": 5.0}
    leaf = Scripted(script=[first_word, Failed("x"), Failed("x")])
    asking = Asking("web", "p", leaf, 1)
    frame.replace([asking])
    await frame._attempt(asking, asyncio.Event())
    first = frame.read()
    layout = frame.series
    assert dict(zip((s.name for s in layout), first, strict=True))["probe_http_status_code"] == 200
    await frame._attempt(asking, asyncio.Event())
    second = dict(zip((s.name for s in layout), frame.read(), strict=True))
    assert frame.series is layout
    assert second["probe_success"] == 0
    assert math.isnan(second["probe_http_status_code"])
    assert second["probe_http_content_length"] == 1, "what a miss has measured counts"
    assert {series.label("server") for series in layout} == {"web"}


async def test_a_server_that_should_not_run_is_not_asked() -> None:
    """While it is not wanted there is no verdict, and none of its figures has a value."""
    told = Told()
    async with probing(told, Scripted(script=[{}])) as frame:
        await until(lambda: frame.health("web")[0] == "up")
        told.wanted = False
        await until(lambda: frame.health("web")[0] == "unknown")
        assert all(math.isnan(value) for value in frame.read())
        assert frame.results("web") == ()


async def test_replacing_ends_the_gone_and_keeps_the_unchanged() -> None:
    """After a reload only the changed probes start anew."""
    told = Told()
    async with probing(told, Scripted(script=[{}])) as frame:
        await until(lambda: frame.results("web"))
        kept = frame._askings["web", "p0"]
        task = frame._tasks["web", "p0"]
        frame.replace([kept, Asking("db", "p", Scripted(script=[{}]), 0.01)])  # type: ignore[arg-type]  # a scripted probe stands for a leaf
        assert frame._tasks["web", "p0"] is task
        await until(lambda: frame.results("db"))
        frame.replace([])
        assert frame.results("web") == ()


async def test_a_reload_that_changes_nothing_of_a_probe_keeps_its_answers_coming() -> None:
    """The same settings, read again from the file, are another object: what the probe finds from then on must count."""
    told = Told()
    async with probing(told, Scripted(script=[{}])) as frame:
        await until(lambda: frame.results("web"))
        frame.replace([msgspec.structs.replace(frame._askings["web", "p0"])])
        before = frame.results("web")[0].at
        await until(lambda: frame.results("web")[0].at > before)


def test_probes_are_named_by_kind_unless_they_have_names() -> None:
    """Two of one kind are told apart by number; a name of its own wins; the agent's period is the default."""
    askings = name_probes("web", [Http(url="http://x"), Http(url="http://y"), Tcp(port=1, name="door", period=Duration(1))], 5)
    assert [(asking.name, asking.period) for asking in askings] == [("http", 5.0), ("http-2", 5.0), ("door", 1.0)]


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_every_probe_has_a_folder_of_its_own(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Whatever a probe is called, its folder is a single step down, and nobody else's."""
    leaf = Tcp(port=1)
    names = [folder_name(Asking(server.replace("~", ""), name, leaf, 1)) for server, name in (one, other)]
    for name in names:
        assert name not in {"", ".", ".."}
        assert "/" not in name
    same = (one[0].replace("~", ""), one[1]) == (other[0].replace("~", ""), other[1])
    assert (names[0] == names[1]) == same


async def test_an_answer_that_is_late_is_told_while_it_is_waited_for() -> None:
    """A miss for each half period without an answer, so that no hang hides behind a long time-out; then the answer itself."""
    told = Told()
    async with probing(told, Scripted(script=[0.35, {}], timeout=Duration(30)), period=0.2) as frame:
        await until(lambda: any(ok for _, _, ok, _ in told.answers))
        misses = [why for _, _, ok, why in told.answers if not ok]
        assert 1 <= len(misses) <= 3, "fewer where the test itself was held up, never more"
        assert all(why.startswith("no answer for 0.") for why in misses)
        assert frame.health("web")[0] == "up", "what is late is no failure of the probe"


async def test_a_time_out_is_one_miss() -> None:
    """Not two, where it comes about when half a period is over; and nothing is told of it when nobody waits any more."""
    told = Told()
    async with probing(told, Scripted(script=[9.0], timeout=Duration(0.05)), period=0.1):
        await until(lambda: len(told.answers) >= 3)
        assert {why for _, _, _, why in told.answers} == {"no answer within 50ms"}
    count = len(told.answers)
    await asyncio.sleep(0.2)
    assert len(told.answers) == count


async def test_a_probe_of_its_own_counts_for_no_server() -> None:
    """What is asked of nobody's server is nobody's sign of life."""
    told = Told()
    frame = Probing(
        SystemClock(),
        Path("/nowhere"),
        wanted=lambda _: True,
        changed=told.changed,
        emit=told.events.append,
        answered=lambda *answer: told.answers.append(answer),
    )
    frame.replace([Asking("", "alone", Scripted(script=[0.1, {}]), 0.05)])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(frame.run())
        await until(lambda: told.verdicts)
        task.cancel()
    assert told.answers == []


async def test_what_we_are_late_with_ourselves_is_no_miss_of_the_servers() -> None:
    """A loop that was held up, as on a machine without a CPU to spare, finds its timers late and the answer not yet read."""
    missed: list[float] = []
    patience = Patience(0.2, 30.0, missed.append)
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251  # that is the point
    await asyncio.sleep(0.02)
    assert missed == []
    await asyncio.sleep(0.08)
    assert patience.is_ours(0.05)
    assert not patience.is_ours(0.01)
    patience.end()


async def test_a_time_out_of_our_own_lateness_is_no_miss() -> None:
    """The probe fails, since nobody can tell; the server is not held to be silent for it."""

    class HeldUp(Asked, frozen=True, tag_field="kind", tag="held-up"):
        async def attempt(self, notes: Notes) -> None:
            time.sleep(0.2)  # noqa: ASYNC251  # as above
            await asyncio.sleep(1)

    told = Told()
    async with probing(told, HeldUp(timeout=Duration(0.05)), period=0.3) as frame:
        await until(lambda: frame.results("web"))
    assert not frame.results("web")[0].ok
    assert told.answers == []


async def test_another_process_is_asked_anew(tmp_path: Path) -> None:
    """What the last one has answered says nothing of it: unknown until it has been asked, which is soon."""
    asked: list[float] = []

    class Well(Tcp, frozen=True, tag="well"):
        async def attempt(self, notes: Notes) -> None:
            asked.append(asyncio.get_running_loop().time())

    probing = Probing(SystemClock(), tmp_path, wanted=lambda _: True, changed=lambda *_: None, emit=lambda _: None)
    probing.replace([Asking("web", "well", Well(port=1), 60.0)])
    task = asyncio.create_task(probing.run(), name="probing")
    async with asyncio.timeout(20):
        while probing.health("web")[0] != "up":
            await asyncio.sleep(0.005)
        before = len(asked)
        await asyncio.sleep(0.05)
        probing.renew("web")
        assert probing.health("web")[0] == "unknown"
        assert probing.results("web") == ()
        while probing.health("web")[0] != "up":
            await asyncio.sleep(0.005)
    assert len(asked) == before + 1
    task.cancel()


async def test_an_answer_of_the_process_before_is_nobodys(tmp_path: Path) -> None:
    """It was asked before the new one began: its answer comes late, tells nothing, and the new one is asked soon."""
    asked, told, finish = [], Told(), asyncio.Event()

    class Slow(Tcp, frozen=True, tag="slow"):
        async def attempt(self, notes: Notes) -> None:
            asked.append(1)
            await finish.wait()

    probing = Probing(
        SystemClock(),
        tmp_path,
        wanted=lambda _: True,
        changed=told.changed,
        emit=lambda _: None,
        answered=lambda *answer: told.answers.append(answer),
    )
    probing.replace([Asking("web", "slow", Slow(port=1, timeout=Duration(30.0)), 60.0)])
    task = asyncio.create_task(probing.run(), name="probing")
    async with asyncio.timeout(20):
        while not asked:
            await asyncio.sleep(0.005)
        probing.renew("web")
        finish.set()
        finish = asyncio.Event()
        while len(asked) < 2:
            await asyncio.sleep(0.005)
        assert probing.health("web")[0] == "unknown"
        assert probing.results("web") == ()
        assert told.verdicts == told.answers == []
        finish.set()
        while probing.health("web")[0] != "up":
            await asyncio.sleep(0.005)
    assert told.answers == [("web", "slow", True, "")]
    task.cancel()
