"""Where the next agent takes a server up, for every state in which the last one may have died."""

from __future__ import annotations

import msgspec
import pytest

from watchkeeper.control.history import History, counted, resumed, running_since
from watchkeeper.control.lifecycle import Do, Life
from watchkeeper.model import ServerState

S = ServerState
NOW = 1000.0
INF = float("inf")


def history(state: ServerState, *, due: float = INF, again: bool = False, done: bool = False, boot: str = "b") -> History:
    """A server that had crashed three times, twice in a row."""
    life = Life(state=state, reason="why", due=due, spawned_at=900.0, failures=2, restarts=3, again=again)
    return History(boot, life, 5, "o1", "exit status 3", done)


@pytest.mark.parametrize(
    ("before", "runs", "state", "due", "do"),
    [
        (history(S.RUNNING), True, S.RUNNING, INF, Do.NOTHING),
        (history(S.STARTING), True, S.RUNNING, INF, Do.NOTHING),
        (history(S.BACKOFF, due=1010.0), True, S.RUNNING, INF, Do.NOTHING),
        (history(S.STOPPING, due=1003.0), True, S.STOPPING, 1003.0, Do.TERMINATE),
        (history(S.RUNNING), False, S.BACKOFF, NOW, Do.NOTHING),
        (history(S.STARTING), False, S.BACKOFF, NOW, Do.NOTHING),
        (history(S.BACKOFF, due=1010.0), False, S.BACKOFF, 1010.0, Do.NOTHING),
        (history(S.STOPPING, due=1003.0), False, S.STOPPED, INF, Do.NOTHING),
        (history(S.STOPPING, due=1003.0, again=True), False, S.WAITING, INF, Do.NOTHING),
        (history(S.STOPPED), False, S.STOPPED, INF, Do.NOTHING),
        (history(S.EXITED), False, S.EXITED, INF, Do.NOTHING),
        (history(S.WAITING), False, S.WAITING, INF, Do.NOTHING),
    ],
)
def test_it_goes_on_where_it_was(before: History, runs: bool, state: ServerState, due: float, do: Do) -> None:
    """What ran runs, what was being stopped goes on stopping, what paused pauses, and the counts go on."""
    step = resumed(before, "b", NOW, runs=runs)
    assert step is not None
    assert (step.life.state, step.life.due, step.do) == (state, due, do)
    assert (step.life.failures, step.life.restarts, step.life.spawned_at) == (2, 3, 900.0)


@pytest.mark.parametrize("before", [None, history(S.STOPPED, boot="older"), history(S.STOPPED, done=True)])
def test_it_begins_anew(before: History | None) -> None:
    """Never known, another boot, or an agent that was told to end with its servers; counts last."""
    assert resumed(before, "b", NOW, runs=False) is None
    assert counted(before).restarts == (3 if before else 0)
    assert counted(before).state is S.STOPPED
    life = running_since(before, 990.0)
    assert (life.state, life.spawned_at, life.restarts) == (S.RUNNING, 990.0, counted(before).restarts)


@pytest.mark.parametrize("state", list(ServerState))
def test_it_comes_back_from_the_disk_as_it_was(state: ServerState) -> None:
    """For ever included."""
    before = history(state, due=INF)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(before), type=History) == before
