"""WebSocket messages from frames: fragments joined, text checked, everything bounded (RFC 6455 sections 5.4 to 5.6, 8.1).

The frames themselves come from picows, which has unmasked them and checked opcodes, lengths and close codes. Sans-I/O: `take`
answers
with a whole message, or nothing yet, or raises with the close code that the RFC names.
"""

from __future__ import annotations

import codecs
import struct

from cloudnet.codes import Close

TEXT = 1
BINARY = 2
INVALID_TEXT = 1007


class Broken(Exception):
    """The other side has broken the WebSocket protocol: close with `code`."""

    def __init__(self, code: int, why: str) -> None:
        """`why` is a few words, for the close frame and the counter."""
        super().__init__(why)
        self.code = code
        self.why = why


class Assembler:
    """Joins the frames of one connection's messages."""

    __slots__ = ("_decoder", "_most", "_whole", "kind")

    def __init__(self, most: int) -> None:
        """`most`: bytes of a whole message."""
        self._most = most
        self.kind = 0
        """Of the message that was begun; 0 between two."""
        self._whole = bytearray()  # no list of parts: empty fragments without end would make it grow, beside every bound
        self._decoder: codecs.IncrementalDecoder | None = None

    def take(self, opcode: int, payload: bytes, *, fin: bool, reserved: bool) -> tuple[int, bytes] | None:
        """One data frame (text, binary or continuation); the kind and bytes of a message once it is whole.

        Raises Broken. Text is checked as it comes, so that a bad message ends early.
        """
        if reserved:
            raise Broken(Close.MALFORMED, "a reserved bit is set, and no extension was agreed on")
        if opcode == 0:
            if not self.kind:
                raise Broken(Close.MALFORMED, "a continuation without a beginning")
        elif self.kind:
            raise Broken(Close.MALFORMED, "a new message within another one")
        else:
            self.kind = opcode
            self._decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        if len(self._whole) + len(payload) > self._most:
            raise Broken(Close.TOO_BIG, f"a message of more than {self._most} bytes")
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, final=fin)
            except UnicodeDecodeError:
                raise Broken(INVALID_TEXT, "text that is not UTF-8") from None
        self._whole += payload
        if not fin:
            return None
        kind, whole = self.kind, bytes(self._whole)
        self.kind = 0
        self._whole.clear()
        self._decoder = None
        return kind, whole


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole, unmasked frame, as servers send them (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload
