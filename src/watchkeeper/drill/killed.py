"""A server that ends and does not come back: the canary is killed by SIGKILL, and its agent was told not to start it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import Scene


class Killed(Part, frozen=True, tag_field="kind", tag="killed"):
    """``killed``: the canary is killed by SIGKILL and stays down until the word of it has come."""

    NAME: ClassVar = "killed"
    ABOUT: ClassVar = "a canary server is killed by SIGKILL and does not come back"
    RULES: ClassVar = ("ServerDown",)

    def unavailable(self) -> str:
        """It works everywhere."""
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002  # as the seam has it
        """Nothing but the canary."""
        return {}

    async def inject(self, scene: Scene) -> str:
        """Kill it."""
        pid = scene.canary()
        scene.signal(pid, "SIGKILL")
        return f"the canary's process {pid} was killed by SIGKILL"

    async def revert(self, scene: Scene) -> None:
        """Start it again, by an order."""
        await scene.order("start")
