"""A server that lives and does not answer: the canary is held by SIGSTOP, and its probe waits in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import Scene


class Hung(Part, frozen=True, tag_field="kind", tag="hung"):
    """``hung``: the canary is held by SIGSTOP; its process lives and answers nobody."""

    NAME: ClassVar = "hung"
    ABOUT: ClassVar = "a canary server is held by SIGSTOP: it lives and answers nobody"
    RULES: ClassVar = ("ServerHung",)

    def unavailable(self) -> str:
        """It works everywhere."""
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002  # as the seam has it
        """Nothing but the canary."""
        return {}

    async def inject(self, scene: Scene) -> str:
        """Hold it."""
        pid = scene.canary()
        scene.signal(pid, "SIGSTOP")
        return f"the canary's process {pid} was held by SIGSTOP"

    async def revert(self, scene: Scene) -> None:
        """Let it go on."""
        scene.signal(scene.canary(), "SIGCONT")
