"""A named real server, held by its own agent for some seconds: on request alone, and only where its table consents.

It is held by SIGSTOP and let go when the word of it has come; its agent has the timer, and a program beside it lets go when
the agent dies. What the agent does by itself to what hangs it does here too: a server that is healed sooner than a rule fires
tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import Scene

HELD_SECONDS = 300.0
"""How long its agent holds it at most."""


class Real(Part, frozen=True, tag_field="kind", tag="server"):
    """``server``: a named real server is held by SIGSTOP, by its own agent, if ``[server.NAME] drill = true`` there."""

    NAME: ClassVar = "server"
    ABOUT: ClassVar = "a named real server is held by SIGSTOP; only with --yes-really, and only if its table says drill = true"
    RULES: ClassVar = ("ServerHung",)

    def unavailable(self) -> str:
        """It works where a server consents."""
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002  # as the seam has it
        """Its agent has its own."""
        return {}

    async def inject(self, scene: Scene) -> str:
        """Have it held."""
        return await scene.order("drill", HELD_SECONDS)

    async def revert(self, scene: Scene) -> None:
        """Have it let go."""
        await scene.order("drill")
