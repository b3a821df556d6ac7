"""The words of refusal: with which WebSocket code a connection ends, and why a packet or a login was turned down.

Everybody says them: the server when it refuses, clients when they decide whether to come back, figures as reasons of counters.
docs/cloud-protocol.md lists each with its meaning; a word that once was there is never given another.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Close(IntEnum):
    """With which WebSocket code a server ends a connection (RFC 6455 section 7.4; from 4000 on our own)."""

    MOVING = 1012
    MALFORMED = 1002
    TEXT = 1003
    POLICY = 1008
    TOO_BIG = 1009
    FAULT = 1011
    OVERLOADED = 1013
    LOGIN_REFUSED = 4001
    DEADLINE = 4002
    ALREADY_CONNECTED = 4003
    TAKEN_OVER = 4004
    LEFT = 4005


class Code(StrEnum):
    """Why a packet or a login was turned down: stable words that programs may rely on."""

    MALFORMED = "malformed"
    TOO_BIG = "too-big"
    BAD_SIGNATURE = "bad-signature"
    WRONG_SERVER = "wrong-server"
    ALREADY_CONNECTED = "already-connected"
    NOT_LOGGED_IN = "not-logged-in"
    UNKNOWN_RECIPIENT = "unknown-recipient"
    MAILBOX_FULL = "mailbox-full"
    NO_ROOM = "no-room"
    TOO_MANY = "too-many"
    TOO_FAST = "too-fast"
    OVERLOADED = "overloaded"
    NOT_YOURS = "not-yours"
    MOVING = "moving"
    DEADLINE = "deadline"
    SLOW_READER = "slow-reader"
    TAKEN_OVER = "taken-over"
    OUT_OF_ORDER = "out-of-order"
    EXPIRED = "expired"
    FAULT = "fault"
    LEFT = "left"


NOT_TO_BE_KEPT = (Code.UNKNOWN_RECIPIENT, "the recipient is not connected, and the message was not to be kept")
"""Why a message without `keep` goes back."""
