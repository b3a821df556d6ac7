"""`alert …` against a real hub's web: what goes on, what people do, silences, rules, replays; ids by their beginning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import numpy as np
import pytest

from rigs.desk import Web, running
from watchkeeper.cli import main
from watchkeeper.model import Frame, Series, dictionary
from watchkeeper.web.settings import WebSettings

RULES = """
[[rule]]
alert = "Busy"
expr = "load > 1"
severity = "critical"
why = "It is too much."
first = "Look."
annotations = { summary = "{{ $labels.machine }} is busy" }
[[rule]]
alert = "Asleep"
expr = "nothing > 1"
needs = "something that there is not"
[route]
group_wait = "0s"
"""
Run = Callable[..., Coroutine[None, None, tuple[int, str, str]]]


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Web]:
    """A hub on which one alert fires."""
    async with running(tmp_path, WebSettings()) as web:
        web.desk.rules = RULES
        layout = dictionary((Series("load", (("instance", "alpha"), ("machine", "alpha"))),))
        web.desk.store.define("alpha", "5s", layout)
        figures = np.array([2.5])
        web.desk.store.take("alpha", Frame("5s", layout.id, web.desk.now(), figures.tobytes()))
        web.desk.bench._found(web.desk.bench.court.frame("alpha", "5s", layout, web.desk.now(), figures))
        await web.desk.bench.turn()
        yield web


@pytest.fixture
def run(busy: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the verb: exit code, what it prints, what it says beside."""
    (tmp_path / "its-token").write_text(busy.token)

    async def ran(*words: str) -> tuple[int, str, str]:
        where = ("--url", busy.url, "--token-file", str(tmp_path / "its-token"))
        code = await asyncio.to_thread(main, ["alert", *words, *where])
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


async def incident(run: Run) -> str:
    """The id of the one incident."""
    _, told, _ = await run("incidents", "--json")
    found: str = json.loads(told)[0]["id"]
    return found


async def test_what_goes_on(run: Run) -> None:
    """A table for people, JSON for programs, a sentence for nothing."""
    code, told, _ = await run("list")
    assert code == 0
    assert all(word in told for word in ("firing", "critical", "alpha", "Busy", "alpha is busy"))
    assert json.loads((await run("list", "--json"))[1])[0]["labels"]["alertname"] == "Busy"
    assert (await run("list", "--state", "pending"))[1] == "No alert goes on.\n"


async def test_one_alert_and_one_incident(run: Run) -> None:
    """Everything about it: the rule, why, what to do first, its steps; and everything in one order."""
    identity = json.loads((await run("list", "--json"))[1])[0]["id"]
    _, told, _ = await run("show", identity[:20])
    assert all(word in told for word in ("alpha is busy", "load > 1", "It is too much.", "Look.", "rules.toml", "it holds"))
    _, told, _ = await run("show", await incident(run))
    assert "Busy firing: alpha is busy" in told
    for meant in (identity, "Busy"):
        assert json.loads((await run("show", meant, "--json"))[1])["alert"]["id"] == identity
    assert "there is no alert or incident 'Bus'" in (await run("show", "Bus"))[2]


async def test_acknowledging_by_an_incident_or_an_alert(run: Run, busy: Web) -> None:
    """With a comment, and taken back."""
    identity = await incident(run)
    code, told, _ = await run("ack", identity, "-m", "looking")
    assert (code, told) == (0, "alpha is busy: acknowledged by local.\n")
    assert [one.text for one in await busy.desk.journal.incidents.comments(identity)] == ["looking"]
    alert = json.loads((await run("list", "--json"))[1])[0]["id"]
    assert (await run("ack", alert, "--take-back"))[1] == "alpha is busy: open again.\n"
    assert (await run("assign", identity, "kim"))[1] == "alpha is busy: for kim to look after.\n"
    assert (await run("comment", identity, "done"))[1] == "It is on the incident.\n"
    assert (await run("mark", "deploy 7"))[1] == "It is on the timeline.\n"
    assert "kim" in (await run("incidents"))[1]


async def test_silences(run: Run) -> None:
    """Added, listed, ended by the beginning of its id."""
    code, told, _ = await run("silence", "add", "alertname=Busy", "--for", "2h", "-m", "new disk")
    assert code == 0
    assert "silences 1 alert now, for 2h" in told
    _, told, _ = await run("silence")
    assert all(word in told for word in ("active", 'alertname="Busy"', "new disk", "local"))
    identity = json.loads((await run("silence", "list", "--json"))[1])[0]["id"]
    assert (await run("silence", "expire", identity[:8]))[1] == f"{identity} has ended.\n"
    assert (await run("silence", "list"))[1] == "Nothing is silenced.\n"


async def test_rules(run: Run) -> None:
    """Those that sleep say what for."""
    _, told, _ = await run("rules")
    assert "on arrival" in told
    assert "It is too much." in told
    _, told, _ = await run("rules", "--dormant")
    assert "dormant: it needs something that there is not" in told
    assert "Busy" not in told


async def test_a_replay(run: Run) -> None:
    """In words: how often, how long, how many messages."""
    _, told, _ = await run("test", "Busy", "--since", "1h")
    assert "it would have fired 1 time, for 0 s in all, in 1 message." in told
    _, told, _ = await run("test", "Mine", "--expr", "load > 100", "--for", "5m")
    assert "it would have fired 0 times" in told
    assert json.loads((await run("test", "Busy", "--json"))[1])["fired"] == 1


async def test_history(run: Run) -> None:
    """What has fired, by machine and rule."""
    assert "Busy" in (await run("history"))[1]
    assert (await run("history", "--rule", "Other"))[1] == "No alert has fired.\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("show", "nope"), "there is no alert or incident 'nope'"),
        (("show", "0"), "there is no"),
        (("silence", "expire", "nope"), "there is no silence 'nope'"),
        (("silence", "add", "nonsense"), "expected a matcher"),
        (("test", "Nope"), "there is no rule 'Nope'"),
    ],
)
async def test_what_cannot_be(run: Run, words: tuple[str, ...], why: str) -> None:
    """One line and exit code 1."""
    code, _, said = await run(*words)
    assert code == 1
    assert why in said


@pytest.mark.parametrize("words", [("nope",), (), ("test", "X", "--since", "soon"), ("history", "-n", "0")])
async def test_wrong_usage(run: Run, words: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert (await run(*words))[0] == 2
