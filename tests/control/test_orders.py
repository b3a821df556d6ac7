"""Orders: who may what by the agent's own file, what would happen, and what people say that must be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.control import ServerSettings
from watchkeeper.control.conditions import FileThere
from watchkeeper.control.foretelling import foretell
from watchkeeper.control.lifecycle import Life
from watchkeeper.control.permission import VERBS, allowed, refusal
from watchkeeper.control.remembered import Memory, Saying, Sayings
from watchkeeper.model import ServerState as S  # a table of them
from watchkeeper.model import Verb

SETTINGS = ServerSettings(command=("/bin/server",))


@pytest.mark.parametrize(
    ("machine", "server", "may"),
    [
        (VERBS, True, VERBS),
        (VERBS, False, ()),
        (VERBS, ("restart", "start"), ("start", "restart")),
        (("start", "stop"), True, ("start", "stop")),
        (("start",), ("restart",), ()),
        ((), True, ()),
    ],
)
def test_both_the_machine_and_the_server_must_let_it_through(
    machine: tuple[Verb, ...], server: bool | tuple[Verb, ...], may: tuple[Verb, ...]
) -> None:
    """In whatever order they are written; what is turned down is turned down by name of the setting that does."""
    assert allowed(machine, server) == may
    for verb in VERBS:
        why = refusal(verb, "web", machine, server)
        assert (why == "") == (verb in may)
        if why:
            assert ("[agent.control] allow" if verb not in machine else "[server.web] control") in why


@pytest.mark.parametrize(
    ("verb", "life", "told"),
    [
        ("start", Life(S.RUNNING), "would do nothing: web runs already"),
        ("start", Life(S.STOPPED), "would start it with '/bin/server', once db is ready"),
        ("stop", Life(S.RUNNING), "would send SIGTERM to its group (pid 7), and SIGKILL after 10s; it stays stopped until"),
        ("stop", Life(S.RUNNING), "held until it is back: app"),
        ("stop", Life(S.STOPPED), "would do nothing: web is stopped already"),
        ("stop", Life(S.BACKOFF), "would give up what is planned for web (backoff)"),
        ("restart", Life(S.RUNNING), "and SIGKILL after 10s, then start it"),
        ("restart", Life(S.EXITED), "would start it"),
        ("pause", Life(S.RUNNING), "would let nothing happen to web by itself"),
        ("resume", Life(S.RUNNING), "would do nothing: web is not paused"),
        ("resume", Life(S.STOPPED, paused="p", held=True), "would look after web again and start it"),
        ("resume", Life(S.RUNNING, paused="p"), "would look after web again"),
        ("expect", Life(S.RUNNING), "would not take web for hung"),
    ],
)
def test_a_dry_run_says_what_would_happen(verb: Verb, life: Life, told: str) -> None:
    """By verb and state, with what waits for it and what is held by it."""
    assert told in foretell(verb, "web", SETTINGS, life, 7, ["app"], "db is ready")


def test_a_dry_run_tells_of_conditions() -> None:
    """One and several."""
    one, two = FileThere(path=Path("/a")), FileThere(path=Path("/b"))
    settings = ServerSettings(command=("x",), start_when=(one,))
    assert foretell("start", "web", settings, Life(), 0, [], "").endswith("when its condition holds")
    settings = ServerSettings(command=("x",), start_when=(one, two))
    assert foretell("start", "web", settings, Life(), 0, [], "").endswith("when its 2 conditions hold")


def test_what_was_said_outlives_the_agent(tmp_path: Path) -> None:
    """Another memory of the same folder knows it; a damaged file is told and costs what was in it, nothing more."""
    said = Sayings({"web": Saying("ann", "moving disks", 5, 0)}, {}, {"web": (1.0, 2.0)})
    assert Memory(tmp_path).now == Sayings()
    assert Memory(tmp_path).keep(said) == ""
    assert Memory(tmp_path).now == said
    (tmp_path / "sayings.json").write_bytes(b"\xff torn")
    assert Memory(tmp_path).now == Sayings()


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """It holds all the same for as long as this agent lives."""
    memory = Memory(tmp_path / "none")
    said = Sayings({"web": Saying("ann", "", 5)})
    assert memory.keep(said) == "No such file or directory"
    assert memory.now == said


def test_a_saying_holds_until_its_end() -> None:
    """Or for ever."""
    assert Saying("ann", "", 5, 0).holds(1 << 50)
    assert Saying("ann", "", 5, 100).holds(99)
    assert not Saying("ann", "", 5, 100).holds(100)
