"""What every route is given: the desk, the board, and the few things that live as long as the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from litestar.connection import ASGIConnection

from watchkeeper.clock import milliseconds
from watchkeeper.journal import JournalSettings
from watchkeeper.journal.access import Asker, Bearer
from watchkeeper.store.settings import StoreSettings
from watchkeeper.web.access import permit
from watchkeeper.web.board import Board
from watchkeeper.web.desk import Desk
from watchkeeper.web.entering import Door
from watchkeeper.web.settings import StatusSettings, WebSettings
from watchkeeper.web.sparks import KeptSparks
from watchkeeper.web.statusboard import StatusBoard
from watchkeeper.web.workshop import Workshop

Connection = ASGIConnection[Any, Any, Any, Any]


class Told(NamedTuple):
    """What the hub was told beyond ``[web]`` that the web shows: how long things are kept, and the public page."""

    store: StoreSettings = StoreSettings()
    journal: JournalSettings = JournalSettings()
    status: StatusSettings = StatusSettings()


@dataclass(frozen=True)
class Hall:
    """Handed to each handler by name (`hall`). `address` is what people on this machine open: ``http://127.0.0.1:8600``.

    Questions are answered in the `workshop`, charts drawn in the `studio`: neither waits for the other's queue. People come
    in by the `door`.
    """

    desk: Desk
    board: Board
    settings: WebSettings
    address: str
    workshop: Workshop
    studio: Workshop
    sparks: KeptSparks = field(default_factory=KeptSparks)
    keeping: Told = field(default_factory=Told)
    door: Door = field(default_factory=Door)

    @cached_property
    def outside(self) -> str:
        """What people elsewhere open: ``[web] url`` where it is set."""
        return self.settings.url.rstrip("/") or self.address

    @cached_property
    def status_board(self) -> StatusBoard:
        """What the public page shows; made when it is first asked for."""
        return StatusBoard(self.desk, self.board, self.keeping.status, self.studio)

    def now(self) -> int:
        """The hub's wall clock, ms."""
        return milliseconds(self.desk.clock.wall())


def bearer(connection: Connection) -> Bearer:
    """Who asks, on a route that the guard has let them into."""
    return permit(connection.scope.get("bearer"), acts=False)  # type: ignore[arg-type]  # put there by the gate


def peer(connection: Connection) -> str:
    """The address that a request came from, for the audit."""
    return connection.client.host if connection.client else ""


def asker(connection: Connection, hall: Hall) -> Asker:
    """Who wants something done, from where and when, for what is written down of it."""
    return Asker(bearer(connection).name, peer(connection), hall.now())
