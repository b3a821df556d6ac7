"""The real hub, with a mouthpiece: what is said on stdin is told, and it can be made to kill itself between any two steps.

Run as a program: ``python mouthpiece.py CONFIG DATA``. To ``live [STEP COUNT]`` it starts the hub in a process of its own,
forked from one that has all modules: that costs no start of Python for each life. The hub says ``ready PID`` once it may be
asked; ``tell N KIND THREAD CHANNEL…`` is answered with ``told N`` once it is durable, ``settle`` with ``settled`` once nothing
waits. With a STEP, the hub dies by SIGKILL when it comes to it for the COUNT-th time. When it is no more, ``dead`` is said.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rigs.bulletins import numbered
from watchkeeper import hub
from watchkeeper.config import load
from watchkeeper.journal.notifications import Notifications
from watchkeeper.notify.lane import Lane
from watchkeeper.office import Office

STEPS = {
    "insert": (Notifications, "together", False),
    "inserted": (Notifications, "together", True),
    "claim": (Notifications, "claim", False),
    "claimed": (Notifications, "claim", True),
    "send": (Lane, "_hand_over", False),
    "sent": (Lane, "_hand_over", True),
    "settle": (Notifications, "delivered", False),
    "settled": (Notifications, "delivered", True),
}
"""Before or after which method: between any two of them the hub may die."""


def arm(step: str, count: int) -> None:
    """Have this process die at that step."""
    owner, name, after = STEPS[step]
    method = getattr(owner, name)
    left = count

    async def deadly(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await method(self, *arguments, **named)
        if left <= 0 and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, deadly)


async def obey(office: Office, line: str) -> str:
    """Do what one line says."""
    word, *rest = line.split()
    if word == "settle":
        rows = office.outbox._journal.notifications
        while any([(await rows.queue(name)).length for name in office.outbox.lanes]):
            await asyncio.sleep(0.05)
        return "settled"
    number, kind, thread, *channels = rest
    await office.outbox.tell(numbered(int(number), kind, thread), channels)  # type: ignore[arg-type]  # from a test
    return f"told {number}"


def listen(office: Office, loop: asyncio.AbstractEventLoop) -> None:
    """Obey stdin, a line at a time, from a thread of its own."""
    for line in sys.stdin:
        say(asyncio.run_coroutine_threadsafe(obey(office, line), loop).result())


def say(words: str) -> None:
    """A line to whoever holds our other end."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def live(config: Path, data: Path, step: str = "", count: str = "1") -> None:
    """Run the hub."""
    if step:
        arm(step, int(count))
    opened: list[Office] = []
    open_office: Callable[..., Awaitable[Office]] = hub.open_office

    async def kept(*arguments: Any) -> Office:
        opened.append(await open_office(*arguments))
        return opened[0]

    def announce(_: str, __: str) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=listen, args=(opened[0], loop), daemon=True).start()
        say(f"ready {os.getpid()}")

    hub.open_office = kept  # type: ignore[assignment]  # in its place for the length of this program
    hub.run(lambda: load(config), data, "127.0.0.1:0", next_free=False, announce=announce)


def asked() -> str:
    """The next line of stdin and not a byte more: what follows is for the hub."""
    line = b""
    while (byte := os.read(0, 1)) not in {b"", b"\n"}:
        line += byte
    return line.decode() if byte else "end"


def main(config: str, data: str) -> None:
    """One life after another, until nobody asks for more."""
    while (line := asked()) != "end":
        word, *rest = line.split() or [""]
        if word != "live":
            continue  # it was for a hub that has died since
        child = os.fork()
        if child == 0:
            live(Path(config), Path(data), *rest)
            os._exit(0)
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main(*sys.argv[1:])
