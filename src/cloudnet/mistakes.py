"""What no server would take for a packet, or no recipient for a letter: told the caller of a client before anything is sent.

A server ends the connection over it, and a client comes back and says again what was not answered: so it would be said for
ever, and nothing behind it would go.
"""

from __future__ import annotations

import re
from typing import Any

from cloudnet.codec import encode, from_client
from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.packets import MESSAGE_BYTES, FromClient

LONGEST_TTL = (1 << 63) - 1


def checked(packet: FromClient) -> FromClient:
    """The packet, as a server will take it; raises Refused (``malformed``, ``too-big``) with the field that is wrong."""
    kind = type(packet).__name__
    try:
        message = encode([packet])
    except (TypeError, ValueError, OverflowError) as fault:
        raise Refused(f"{kind}: {fault}", Code.MALFORMED) from None
    if len(message) > MESSAGE_BYTES:
        raise Refused(f"{kind}: {len(message)} bytes are more than one message may have, {MESSAGE_BYTES}", Code.TOO_BIG)
    try:
        from_client(message)
    except Refused as fault:
        why, _, place = fault.why.removeprefix("not packets of a client: ").partition(" - at ")
        number = re.match(r"`\$\[0\]\[(\d+)\]", place)  # the packet's own number stands before its fields
        field = f".{packet.__struct_fields__[int(number[1]) - 1]}" if number else ""
        raise Refused(f"{kind}{field}: {why}", Code.MALFORMED) from None
    return packet


def check_message(to: Any, body: Any, identity: Any, ttl: Any, *, wait: Any, keep: Any) -> None:
    """Raises Refused (``malformed``) for what `client.Client.send` cannot send; lengths are checked where it is sealed."""
    if not isinstance(to, bytes) or not isinstance(identity, bytes) or not isinstance(body, (bytes, bytearray, memoryview)):
        raise Refused("a message's body, its id and the key that it goes to are bytes", Code.MALFORMED)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl <= LONGEST_TTL:
        raise Refused(f"ttl: expected whole seconds, from 0 on, got {ttl!r}", Code.MALFORMED)
    if not isinstance(wait, bool) or not isinstance(keep, bool):
        raise Refused("wait and keep: expected True or False", Code.MALFORMED)
