"""WebSocket: messages that come back, messages that are pushed, and connections that are opened and closed.

A message begins with a number of its own, so an answer finds its question whatever else travels on the connection; the rest
must come back as it was sent. picows (in C) does frames and masks. Redirects are not followed: consent was for one address.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from picows.common import WSHandshakeError, WSProtocolError

from watchkeeper.config import Part
from watchkeeper.quantities import Size
from watchkeeper.stress.faults import Code, Failure, of_connecting
from watchkeeper.stress.lane import Floor, Ground, Lane, Operation, Tally

VARIANTS = 64
"""Messages of changing size that are made beforehand and taken in turn."""
NUMBER_BYTES = 16
"""A number, in text as hexadecimal digits."""
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"

_quiet = logging.LoggerAdapter(logging.getLogger("watchkeeper.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)
_quiet.logger.propagate = False


class Exchange(Operation, frozen=True, kw_only=True):
    """What it `does`: ``echo`` sends a message of `size` bytes (up to `size_most`) and waits for the same; ``connect``
    opens a connection, waits for nothing and closes it again.
    """  # noqa: D205  # one sentence

    does: Literal["echo", "connect"] = "echo"
    size: Size = Size(128)
    size_most: Size = Size(0)

    def __post_init__(self) -> None:
        """A message holds its number at least."""
        if not NUMBER_BYTES <= self.size <= 16 << 20 or self.size_most > 16 << 20:
            raise ValueError(f"a message has between {NUMBER_BYTES}B and 16MiB")

    @property
    def visits(self) -> bool:
        """See `Operation`."""
        return self.does == "connect"


class WebSocket(Part, frozen=True, tag_field="kind", tag="websocket"):
    """``kind = "websocket"``: messages over WebSocket, with TLS for ``wss://``.

    `headers` go with the handshake. `text`: messages are text. `in_flight`: how many may be under way on one connection.
    `pushes`: what a server sends of its own accord is counted as pushed, with the gaps between; else it is unexpected.
    `reading`: share of connections that read (the others never do: slow readers). `operation` is the mix; left out, an echo
    of 128 bytes.
    """

    headers: dict[str, str] = {}
    text: bool = False
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 64
    pushes: bool = False
    reading: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    operation: tuple[Exchange, ...] = ()

    def mix(self, url: str) -> Sequence[Exchange]:  # noqa: ARG002  # as all protocols have it
        """See `LoadProtocol`."""
        return self.operation or (Exchange(name="echo"),)

    def prepare(self, ground: Ground) -> Messages:
        """See `LoadProtocol`."""
        return Messages(self, ground)


class Messages:
    """All operations made ready in one worker."""

    def __init__(self, settings: WebSocket, ground: Ground) -> None:
        """Make the messages that will be sent, but for their numbers."""
        self.settings = settings
        self.ground = ground
        self.visits = asyncio.Semaphore(ground.visits)
        """Connections that may still be opened beside the lanes' own."""
        self.kind = WSMsgType.TEXT if settings.text else WSMsgType.BINARY
        chance = random.Random(ground.seed)  # noqa: S311  # a load, not a secret
        mix = settings.mix(ground.url)
        self.rests = [None if one.does == "connect" else self._rests(one, chance) for one in mix]
        """Of each operation, what follows the number; None: it opens a connection and says nothing."""

    def lane(self, number: int, floor: Floor) -> Lane:
        """See `Maker`."""
        reads = int((number + 1) * self.settings.reading) > int(number * self.settings.reading)
        return WebSocketLane(self, floor, number, reads=reads)

    def settle(self, stage: int) -> None:
        """Nothing is known only later."""

    def _rests(self, one: Exchange, chance: random.Random) -> list[bytes]:
        most = max(one.size, one.size_most)
        sizes = [one.size] if most == one.size else [chance.randint(one.size, most) for _ in range(VARIANTS)]
        if self.settings.text:
            return [bytes(chance.choices(_LETTERS, k=size - NUMBER_BYTES)) for size in sizes]
        return [chance.randbytes(size - NUMBER_BYTES) for size in sizes]


class WebSocketLane(WSListener):
    """One connection."""

    keeps = True

    def __init__(self, messages: Messages, floor: Floor, number: int, *, reads: bool) -> None:
        self.room = 0
        self.is_up = False
        self.listed = False
        self._messages = messages
        self._floor = floor
        self._number = number
        self._reads = reads
        self._clock = floor.clock
        self._kind = messages.kind
        self._rests = messages.rests
        self._is_text = messages.settings.text
        self._transport: WSTransport | None = None
        self._turn = number << 40
        self._open: dict[bytes, tuple[Tally, int, int, bytes]] = {}
        self._parts: list[bytes] = []
        self._pushed_at = 0
        self._is_cut = ""

    # -- the floor's side -----------------------------------------------------------------------------

    def start(self, tally: Tally, intended: int, now: int) -> None:
        """See `Lane`."""
        self.room -= 1
        rests = self._rests[tally.operation]
        if rests is None:
            self._floor.spawn(self._visit(tally, intended), "websocket connection")
            return
        self._turn = turn = self._turn + 1
        number = b"%016x" % turn if self._is_text else turn.to_bytes(NUMBER_BYTES, "big")
        message = number + (rests[turn & (VARIANTS - 1)] if len(rests) > 1 else rests[0])
        self._open[number] = (tally, intended, now, message)
        tally.sent += len(message)
        if self._transport is not None:
            self._transport.send(self._kind, message)

    async def connect(self) -> None:
        """See `Lane`."""
        began = self._clock()
        await dial(self._messages, self, self._number)
        if self._transport is None:
            raise Failure(Code.CLOSED, "the connection was closed before its handshake")
        self._floor.idle.span("handshake")(self._clock() - began)
        self.room = self._messages.settings.in_flight if self._reads else 0

    def sweep(self, before: int) -> None:
        """See `Lane`."""
        while self._open:
            number = next(iter(self._open))
            if self._open[number][2] >= before:
                return
            tally, intended, _, _ = self._open.pop(number)
            self._end(tally, intended, Code.TIMEOUT, f"no answer within {self._messages.ground.timeout:g} s")

    def cut(self, code: str) -> None:
        """See `Lane`."""
        self._is_cut = code
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # -- picows' side ---------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._is_cut = ""
        self._parts = []
        if not self._reads:
            transport.underlying_transport.pause_reading()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """An answer, a push, or the end."""
        now = self._clock()
        payload = frame.get_payload_as_bytes()
        number = payload[:NUMBER_BYTES]
        found = self._open.get(number)
        if found is not None and payload == found[3] and frame.fin and not self._parts:
            # A whole answer, as nearly all frames are: what kind of frame it is (as dear as three look-ups) is only asked
            # of the others.
            del self._open[number]
            tally, intended, began, message = found  # as `_answered`, without a call more
            tally.received += len(message)
            tally.took(now - intended)
            tally.served(now - began)
            self.room += 1
            self._floor.free(self, tally, now)
            return
        kind = frame.msg_type
        if kind not in {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            if kind == WSMsgType.CLOSE:
                transport.disconnect()
            return
        if self._parts or not frame.fin:
            self._parts.append(payload)
            if not frame.fin:
                return
            payload = b"".join(self._parts)
            self._parts = []
        self._whole(payload, now)

    def _whole(self, payload: bytes, now: int) -> None:
        """A whole message that is not simply the answer that was waited for."""
        found = self._open.pop(payload[:NUMBER_BYTES], None)
        if found is None:
            self._push(payload, now)
        elif payload != found[3]:
            tally, intended, _, message = found
            tally.received += len(payload)
            self._end(tally, intended, Code.CORRUPT, f"{len(payload)} bytes came back that are not the {len(message)} sent")
        else:
            self._answered(found, now)

    def _answered(self, found: tuple[Tally, int, int, bytes], now: int) -> None:
        tally, intended, began, message = found
        tally.received += len(message)
        tally.took(now - intended)
        tally.served(now - began)
        self.room += 1
        self._floor.free(self, tally, now)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is over: what is under way will not be answered."""
        self._transport = None
        self.room = 0
        closed: Any = getattr(transport.close_handshake, "recv", None)
        code = self._is_cut or (f"closed-{closed.code.value}" if closed is not None and closed.code else Code.CLOSED)
        self._floor.lost(self, code)
        under_way, self._open = self._open, {}
        for tally, intended, _, _ in under_way.values():
            tally.fail(code, self._clock() - intended, "the connection ended before the answer")
            self._floor.free(self, tally, self._clock())

    # -- leaves ---------------------------------------------------------------------------------------

    def _end(self, tally: Tally, intended: int, code: str, text: str) -> None:
        now = self._clock()
        tally.fail(code, now - intended, text)
        self.room += 1
        self._floor.free(self, tally, now)

    def _push(self, payload: bytes, now: int) -> None:
        idle = self._floor.idle
        idle.received += len(payload)
        if not self._messages.settings.pushes:
            idle.count("unexpected")
            return
        idle.count("pushed")
        if self._pushed_at:
            idle.span("gap")(now - self._pushed_at)
        self._pushed_at = now

    async def _visit(self, tally: Tally, intended: int) -> None:
        """Open a connection of its own and close it again, once there is room for one."""
        messages = self._messages
        try:
            async with asyncio.timeout(messages.ground.timeout):
                await messages.visits.acquire()
        except TimeoutError:
            tally.fail(Code.TIMEOUT, self._clock() - intended, "as many connections were open as may be, all the time")
        else:
            await self._look_in(tally, intended)
            messages.visits.release()
        if self._transport is not None:
            self.room += 1
        self._floor.free(self, tally, self._clock())

    async def _look_in(self, tally: Tally, intended: int) -> None:
        visitor = Visitor()
        began = self._clock()
        try:
            await dial(self._messages, visitor, self._number)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is data: the code says whose word it is
            tally.fail(of_connecting(fault), self._clock() - intended, str(fault))
            return
        now = self._clock()
        if visitor.transport is None:
            tally.fail(Code.CLOSED, now - intended, "the connection was closed before its handshake")
        else:
            tally.took(now - intended)
            tally.served(now - began)
            visitor.transport.send_close(WSCloseCode.OK)
            visitor.transport.disconnect()


class Visitor(WSListener):
    """A connection that wants nothing."""

    transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self.transport = transport


async def dial(messages: Messages, listener: WSListener, number: int) -> None:
    """Connect and shake hands. Raises Failure, and what the network raises."""
    ground = messages.ground
    plugged = await ground.plug(number)

    def plug(_: object) -> socket.socket:
        return plugged

    more: dict[str, Any] = {} if ground.tls is None else {"server_hostname": ground.server_name}
    try:
        await ws_connect(
            lambda: listener,
            ground.url,
            ssl_context=ground.tls,
            extra_headers=messages.settings.headers,
            websocket_handshake_timeout=ground.timeout,
            max_redirects=0,
            max_frame_size=64 << 20,
            read_buffer_init_size=2048,
            socket_factory=plug,
            logger_name=_quiet,
            **more,
        )
    except WSHandshakeError as fault:
        plugged.close()
        response = fault.response
        raise Failure(Code.UPGRADE, f"the handshake was answered with {response.status if response else fault}") from None
    except WSProtocolError as fault:
        raise Failure(Code.PROTOCOL, str(fault)) from None
    except BaseException:
        plugged.close()
        raise
