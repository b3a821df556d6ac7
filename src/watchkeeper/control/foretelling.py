"""What an order would do, without doing it: the answer to a dry run. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.control.lifecycle import ALIVE, Life
from watchkeeper.control.settings import AnyServer
from watchkeeper.model import ServerState, Verb


def foretell(  # noqa: C901, PLR0911  # a table of verbs and states
    verb: Verb, name: str, settings: AnyServer, life: Life, pid: int, held: Sequence[str], blocked: str
) -> str:
    """What `verb` would do to a server now, as a sentence.

    `held`: those that would be stopped with it, since they require it; `blocked`: what a start would wait for.
    """
    start = settings.starting + (f", once {blocked}" if blocked else "")
    if settings.start_when:
        start += f", when its {_count(len(settings.start_when), 'condition')} hold" + (
            "s" if len(settings.start_when) == 1 else ""
        )
    stop = settings.stopping(pid)
    besides = f"; held until it is back: {', '.join(held)}" if held else ""
    match verb:
        case "start" if life.state in {ServerState.RUNNING, ServerState.STARTING}:
            return f"would do nothing: {name} runs already"
        case "start":
            return f"would {start}"
        case "stop" if life.state in ALIVE:
            return f"would {stop}; it stays stopped until somebody starts it{besides}"
        case "stop" if life.state is ServerState.STOPPED:
            return f"would do nothing: {name} is stopped already"
        case "stop":
            return f"would give up what is planned for {name} ({life.state.value}); it stays stopped until somebody starts it"
        case "restart" if life.state in ALIVE:
            return f"would {stop}, then {start}"
        case "restart":
            return f"would {start}"
        case "pause":
            return f"would let nothing happen to {name} by itself: no restart, no start by schedule, no help when it hangs"
        case "resume":
            again = f"would look after {name} again" + (" and " + start if life.held else "")
            return again if life.paused else f"would do nothing: {name} is not paused"
        case "expect":
            return f"would not take {name} for hung while the work is expected"
        case _:
            return f"would hold {name} by SIGSTOP (pid {pid}) for as long as is said, then let it go on"


def _count(number: int, word: str) -> str:
    return f"{word}" if number == 1 else f"{number} {word}s"
