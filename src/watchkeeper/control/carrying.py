"""Orders to one server, from what is given to its life cycle to the sentence in which they end. Bounded in time.

`supervisor` knows which server is meant; that it may be done at all was seen to before (`orders`).
"""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.control import lifecycle
from watchkeeper.control.opening import within
from watchkeeper.control.server import KeptServer, numbered
from watchkeeper.model import Action, ServerState

SETTLED_SECONDS = 0.5
"""A start has succeeded once the server has lived so long."""
START_SECONDS = 60.0
STOP_MARGIN_SECONDS = 5.0
DOWN = frozenset({ServerState.STOPPED, ServerState.EXITED, ServerState.BACKOFF})


async def carry_out(action: Action, server: KeptServer) -> tuple[bool, str]:
    """Start, stop or restart it, and wait until that is done; whether it was, and how, in words."""
    match action.verb:
        case "start":
            return await _start(action, server)
        case "stop":
            return await _stop(action, server)
        case _:
            return await _restart(action, server)


async def _start(action: Action, server: KeptServer) -> tuple[bool, str]:
    if server.life.state is ServerState.RUNNING:
        return True, f"{server.name} runs already{numbered(server.status().pid)}"
    server.give(lifecycle.Start(f"{action.by} asked for it"))
    return await _until_running(server)


async def _restart(action: Action, server: KeptServer) -> tuple[bool, str]:
    old = server.process
    server.give(lifecycle.Restart(f"{action.by} asked for it"))
    if old is not None:
        await _until_ended(server, lambda: server.process is not old or bool(server.unheeded))
        if server.unheeded and server.process is old:
            return False, f"{server.name} could not be stopped: {server.unheeded}"
    return await _until_running(server)


async def _stop(action: Action, server: KeptServer) -> tuple[bool, str]:
    if server.life.state is ServerState.STOPPED:
        return True, f"{server.name} was stopped already"
    server.give(lifecycle.Stop(f"{action.by} asked for it"))
    await _until_ended(server, lambda: server.life.state in {ServerState.STOPPED, ServerState.RUNNING})
    ended = server.life.state in DOWN
    if server.unheeded and not ended:
        return False, f"{server.name} could not be stopped: {server.unheeded}"
    how = f" ({server.last_exit})" if server.last_exit else ""
    though = ", though it was killed" if server.life.kills else f": it is {server.life.state.value}"
    return ended, f"{server.name} has stopped{how}" if ended else f"{server.name} has not ended{though}"


async def _until_ended(server: KeptServer, settled: Callable[[], bool]) -> None:
    """Ended, or not a while after it was killed: as long as it asks for more time it is not."""
    await server.wait_until(lambda: server.idle)
    seconds = server.settings.stop_grace + STOP_MARGIN_SECONDS
    while not await _bounded(server, settled, seconds) and (left := server.grace_left) > 0:
        seconds = left + STOP_MARGIN_SECONDS


async def _until_running(server: KeptServer) -> tuple[bool, str]:
    """Running, and still the same process a moment later; else the reason why not."""
    await server.wait_until(lambda: server.idle)
    grace = float(getattr(server.settings, "start_grace", START_SECONDS))
    await _bounded(server, lambda: server.life.state in DOWN or server.life.state is ServerState.RUNNING, grace)
    process = server.process
    if server.life.state is ServerState.RUNNING:
        await _bounded(server, lambda: server.process is not process, SETTLED_SECONDS)
    if process is not None and server.process is process:
        return True, f"{server.name} runs{numbered(process.pid)}"
    return False, f"{server.name} does not run: {server.life.reason}"


async def _bounded(server: KeptServer, settled: Callable[[], bool], seconds: float) -> bool:
    return await within(seconds, server.wait_until(settled))
