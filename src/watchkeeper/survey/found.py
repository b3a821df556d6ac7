"""What a survey finds, as values: ports and the servers behind them."""

from __future__ import annotations

from typing import Literal

import msgspec

Speaks = Literal["", "http", "https", "tcp"]


class Port(msgspec.Struct, frozen=True):
    """A port that somebody listens on. `speaks` is empty before it was asked; `metrics` is the path of a page of figures."""

    address: str
    number: int
    speaks: Speaks = ""
    status: int = 0
    metrics: str = ""

    @property
    def host(self) -> str:
        """Where to connect from this machine: a wildcard listens on loopback too."""
        return {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(self.address, self.address)  # noqa: S104  # read, not bound

    @property
    def place(self) -> str:
        """``host:port`` as an address has it."""
        return f"[{self.host}]:{self.number}" if ":" in self.host else f"{self.host}:{self.number}"


class Found(msgspec.Struct, frozen=True):
    """A server that runs: `name` fits a configuration and is unique; `unit` and `container` say who keeps it, if anybody."""

    name: str
    program: str
    pid: int
    ports: tuple[Port, ...]
    path: str = ""
    unit: str = ""
    container: str = ""
