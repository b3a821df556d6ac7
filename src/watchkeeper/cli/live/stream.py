"""What both users of the hub's live stream share: how to call it, how to read it, how its faults are told."""

from __future__ import annotations

from typing import Any

import msgspec
from websockets.exceptions import InvalidStatus

from watchkeeper.cli.client import Hub, turned_away
from watchkeeper.errors import Failed, Refused
from watchkeeper.web.shapes import ToBrowser

SILENCE_SECONDS = 15.0
"""The hub ticks at least every 2 s; a connection that is silent for so long is dead."""
AGAIN_SECONDS = 1.0
"""How long to wait before the next attempt: the hub is on this machine or a person waits for it."""
MESSAGE_BYTES = 16 << 20

_decoder: msgspec.json.Decoder[ToBrowser] = msgspec.json.Decoder(ToBrowser)


def call(hub: Hub) -> tuple[str, dict[str, Any]]:
    """Address and keyword arguments for either of the WebSocket library's `connect`."""
    url, headers = hub.live()
    return url, {
        "user_agent_header": headers.pop("User-Agent"),
        "additional_headers": headers,
        "proxy": None,  # the token is for the hub alone
        "open_timeout": 10,
        "close_timeout": 1,
        "max_size": MESSAGE_BYTES,
    }


def read(message: str | bytes) -> ToBrowser:
    """One message; raises `Failed` when the hub speaks another version of this language."""
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Failed(f"the live stream of this hub cannot be read ({fault}); is it of another version?", retry=False) from None


def fault_of(hub: Hub, fault: Exception) -> Failed | Refused:
    """Why there is no stream: turned away for good, or not there for now."""
    if isinstance(fault, InvalidStatus) and fault.response.status_code < 500:
        return turned_away(hub.found, fault.response.status_code, bytes(fault.response.body or b""))
    return Failed(f"no live stream from the hub at {hub.found.url}{hub.found.if_silent()}")
