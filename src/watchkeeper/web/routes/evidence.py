"""Evidence: what servers were doing before something was done to them. The journal knows of it, the agents have it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from watchkeeper.errors import Failed, Refused
from watchkeeper.journal.events import PAGE, Sought, cursor
from watchkeeper.model import Event, EventKind
from watchkeeper.web.evidence_shapes import EvidenceFile, EvidenceList, EvidenceView
from watchkeeper.web.hall import Hall

PATIENCE = 20.0
"""How long, in seconds, an agent has to send it."""


@get("/api/evidence", operation_id="evidence_list")
async def evidence_list(
    hall: NamedDependency[Hall],
    machine: FromQuery[str] = "",
    server: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE)] = 100,
    before: FromQuery[str] = "",
) -> EvidenceList:
    """What was saved, newest first; the oldest may be gone from its agent's disk."""
    found = await hall.desk.journal.events.page(Sought(machine, server, (EventKind.EVIDENCE_SAVED,)), limit, before)
    following = cursor(found[-1].at, found[-1].id) if len(found) == limit else ""
    return EvidenceList(tuple(_view(event) for event in found if event.facts.get("evidence")), following)


@get("/api/machines/{machine:str}/evidence/{identity:str}", operation_id="evidence")
async def evidence(hall: NamedDependency[Hall], machine: FromPath[str], identity: FromPath[str]) -> Response[EvidenceFile]:
    """All of one, fetched from its agent: sections of text, secrets taken out."""
    hall.board.machine(machine)
    try:
        async with asyncio.timeout(PATIENCE):
            content = await hall.desk.evidence(machine, identity)
    except TimeoutError:
        raise Refused(f"the agent on {machine} did not send it within {PATIENCE:.0f} s", code="not-connected") from None
    try:
        found = msgspec.json.decode(content, type=EvidenceFile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise Failed(f"what {machine}'s agent sent is no evidence: {fault}") from None
    plain = "".join(sign for sign in identity if sign.isascii() and (sign.isalnum() or sign == "-"))
    return Response(found, headers={"content-disposition": f'attachment; filename="evidence-{plain}.json"'})


def _view(event: Event) -> EvidenceView:
    facts = event.facts
    return EvidenceView(
        facts["evidence"],
        event.at,
        event.machine,
        event.server,
        facts.get("why", ""),
        int(facts["bytes"]) if facts.get("bytes", "").isdecimal() else 0,
        _seconds(facts.get("seconds", "")),
    )


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return 0.0


ROUTES = [evidence_list, evidence]
