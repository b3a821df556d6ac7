"""The agents' door: an agent that is gone raises nothing in whoever sends to it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from litestar.exceptions import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from watchkeeper.web.link import AgentSocket


class Dead:
    """A socket whose other side is gone, as the server below tells it."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.asked = 0

    async def send_data(self, *_: object) -> None:
        """Nobody is there."""
        self.asked += 1
        raise self.fault

    close = send_data


@pytest.mark.parametrize("fault", [ClientDisconnected(), WebSocketDisconnect(detail="gone"), ConnectionResetError()])
async def test_a_word_to_one_that_has_gone_is_lost_and_nothing_else(fault: Exception) -> None:
    """Neither an acknowledgement nor a farewell raises, and it is not tried twice."""
    for first in ("send", "close"):
        dead = Dead(fault)
        one = AgentSocket(cast("Any", dead), "127.0.0.1", "token")
        await (one.send(b"x") if first == "send" else one.close(1000, "bye"))
        await one.send(b"y")
        await one.close(1000, "bye")
        assert await one.receive() is None
        assert dead.asked == 1
