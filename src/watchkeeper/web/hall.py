"""What every route is given: the desk, the board, and the few things that live as long as the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from litestar.connection import ASGIConnection

from watchkeeper.clock import milliseconds
from watchkeeper.journal.access import Bearer
from watchkeeper.web.access import Failures, permit
from watchkeeper.web.board import Board
from watchkeeper.web.desk import Desk
from watchkeeper.web.settings import WebSettings
from watchkeeper.web.sparks import KeptSparks
from watchkeeper.web.workshop import Workshop

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True)
class Hall:
    """Handed to each handler by name (`hall`). `address` is what people open: ``http://127.0.0.1:8600``.

    Questions are answered in the `workshop`, charts drawn in the `studio`: neither waits for the other's queue.
    """

    desk: Desk
    board: Board
    settings: WebSettings
    address: str
    workshop: Workshop
    studio: Workshop
    failures: Failures = field(default_factory=Failures)
    sparks: KeptSparks = field(default_factory=KeptSparks)

    def now(self) -> int:
        """The hub's wall clock, ms."""
        return milliseconds(self.desk.clock.wall())


def bearer(connection: Connection) -> Bearer:
    """Who asks, on a route that the guard has let them into."""
    return permit(connection.scope.get("bearer"), acts=False)  # type: ignore[arg-type]  # put there by the gate


def peer(connection: Connection) -> str:
    """The address that a request came from, for the audit."""
    return connection.client.host if connection.client else ""
