"""A machine that falls silent: the drill's own agent is held by SIGSTOP, so nothing is heard of its machine any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import Scene


class Silent(Part, frozen=True, tag_field="kind", tag="silent"):
    """``silent``: the agent of the drill's machine is held by SIGSTOP, and nothing is heard of that machine."""

    NAME: ClassVar = "silent"
    ABOUT: ClassVar = "a machine falls silent: the drill's own agent is held by SIGSTOP"
    RULES: ClassVar = ("HostSilent",)

    def unavailable(self) -> str:
        """It works everywhere."""
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002  # as the seam has it
        """Nothing but the canary."""
        return {}

    async def inject(self, scene: Scene) -> str:
        """Hold the agent."""
        scene.signal(scene.agent, "SIGSTOP")
        return f"the agent of {scene.machine} (process {scene.agent}) was held by SIGSTOP"

    async def revert(self, scene: Scene) -> None:
        """Let it go on."""
        scene.signal(scene.agent, "SIGCONT")
