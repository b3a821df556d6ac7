"""The shapes of what was saved of servers before they were ended; times in ms, sizes in bytes."""

from __future__ import annotations

import msgspec


class EvidenceView(msgspec.Struct, frozen=True):
    """That evidence was saved, from the journal. GET /api/evidence; all of it by GET /api/machines/{machine}/evidence/{id}."""

    id: str
    at: int
    machine: str
    server: str
    why: str
    bytes: int
    seconds: float


class EvidenceList(msgspec.Struct, frozen=True):
    """What was saved, newest first, paged as events are. GET /api/evidence."""

    evidence: tuple[EvidenceView, ...]
    next: str = ""


class EvidencePiece(msgspec.Struct, frozen=True):
    """One part of evidence: what it is, and the text."""

    title: str
    text: str


class EvidenceFile(msgspec.Struct, frozen=True):
    """What a server was doing before something was done to it. `missing` could not be had in the time there was."""

    id: str
    at: int
    server: str
    pid: int
    why: str
    seconds: float
    sections: tuple[EvidencePiece, ...]
    missing: tuple[str, ...] = ()
