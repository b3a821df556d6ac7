"""A server that runs and is not reached: the canary's probe is pointed at a port where nobody listens."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from watchkeeper.config import Part
from watchkeeper.drill.seam import CANARY, Scene


class Closed(Part, frozen=True, tag_field="kind", tag="closed"):
    """``closed``: the canary's probe is pointed at a port where nobody listens, by a changed configuration."""

    NAME: ClassVar = "closed"
    ABOUT: ClassVar = "the canary's probe is pointed at a port where nobody listens"
    RULES: ClassVar = ("ServerHung",)

    def unavailable(self) -> str:
        """It works everywhere."""
        return ""

    def tables(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002  # as the seam has it
        """Nothing but the canary."""
        return {}

    async def inject(self, scene: Scene) -> str:
        """Point it elsewhere."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        scene.configure({"server": {CANARY: {"probe": [probe(port)]}}})
        return f"the canary's probe was pointed at the closed port {port}"

    async def revert(self, scene: Scene) -> None:
        """Point it back."""
        scene.configure({"server": {CANARY: {"probe": [probe(scene.port)]}}})


def probe(port: int) -> dict[str, Any]:
    """The canary's probe, at a port."""
    return {"kind": "http", "url": f"http://127.0.0.1:{port}/", "period": "500ms", "timeout": "500ms"}
