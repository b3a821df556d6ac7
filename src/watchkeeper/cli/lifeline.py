"""How hub and agent notice that the `up` that started them has died, even by kill -9.

`up` holds the writing end of a pipe and never writes; the programs hold the reading end, which ends when
`up` does. The hub then stops; the agent leaves, and its servers go on: the next agent takes them over.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "WATCHKEEPER_LIFELINE"


def held() -> int | None:
    """The descriptor that `up` has handed down; taken out of the environment, so that no server inherits its number."""
    number = os.environ.pop(VARIABLE, "")
    return int(number) if number.isdigit() else None


def end_with_it(file: int) -> None:
    """Send ourselves SIGTERM when the line ends."""

    def wait() -> None:
        if not os.read(file, 1):
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
