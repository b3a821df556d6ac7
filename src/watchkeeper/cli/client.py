"""The CLI's way to a hub: find it, show the token, ask, decode; the standard library's HTTP alone.

Verbs call `connect` and get typed answers. A hub that is away is `Failed`, a question it turns down is
`Refused`, each with what to do next. The token leaves this machine over TLS alone, and the local
token is shown to no other host.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from watchkeeper import __version__
from watchkeeper.cli.options import Reach
from watchkeeper.cli.signpost import Found, look_up
from watchkeeper.errors import Failed, Refused
from watchkeeper.telling import Incident
from watchkeeper.web.alert_shapes import IncidentsView
from watchkeeper.web.evidence_shapes import EvidenceFile, EvidenceList
from watchkeeper.web.shapes import ActionAsk, ActionView, EventsView, LogsView, Overview, Problem, SignInLink

T = TypeVar("T")

ANSWER_BYTES = 64 << 20
"""The longest answer that is read: far above a fleet's overview, far below what would hurt."""
ANSWER_SECONDS = 15.0
ACTION_SECONDS = 60.0
"""The hub holds the answer to an order for up to 30 s, until its outcome is there."""
EVIDENCE_SECONDS = 30.0
QUERY_SECONDS = 120.0
"""The hub's own limit is shorter, unless its operator has set another."""


class PromAnswer(msgspec.Struct, frozen=True):
    """Data of Prometheus' API: ``vector``, ``matrix``, ``scalar`` or ``string``."""

    resultType: str  # noqa: N815  # as the API spells it
    result: list[Any]


class PromEnvelope(msgspec.Struct, frozen=True):
    """What data or an error comes in."""

    status: str
    data: PromAnswer | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815  # as the API spells it


class Hub:
    """A hub that can be asked; each call is one request on a connection of its own, so nothing is left open."""

    def __init__(self, found: Found) -> None:
        """Take over what `look_up` found; nothing is sent yet."""
        self.found = found
        self._parts = urlsplit(found.url)

    def overview(self) -> Overview:
        """Everything, worst first."""
        return self.ask("GET", "/api/overview", Overview)

    def act(self, machine: str, server: str, ask: ActionAsk) -> ActionView:
        """Ask for an action; it may still be under way when this returns."""
        path = f"/api/machines/{quote(machine, safe='')}/servers/{quote(server, safe='')}/actions"
        return self.ask("POST", path, ActionView, msgspec.structs.asdict(ask), seconds=ACTION_SECONDS)

    def action(self, identity: str) -> ActionView:
        """How an action stands."""
        return self.ask("GET", f"/api/actions/{quote(identity, safe='')}", ActionView)

    def logs(self, machine: str, server: str, lines: int) -> LogsView:
        """The last lines of a server's output."""
        path = f"/api/machines/{quote(machine, safe='')}/servers/{quote(server, safe='')}/logs"
        return self.ask("GET", f"{path}?{urlencode({'lines': lines})}", LogsView)

    def events(self, **sought: str | int) -> EventsView:
        """A page of events, newest first; what is sought is the route's own (`machine`, `server`, `severity`, `limit`)."""
        return self.ask("GET", f"/api/events?{urlencode({name: value for name, value in sought.items() if value})}", EventsView)

    def evidence_list(self, **sought: str | int) -> EvidenceList:
        """A page of what was saved, newest first; what is sought is the route's own (`machine`, `server`, `limit`)."""
        given = urlencode({name: value for name, value in sought.items() if value})
        return self.ask("GET", f"/api/evidence?{given}", EvidenceList)

    def evidence(self, machine: str, identity: str) -> EvidenceFile:
        """All of one, from its agent's disk."""
        path = f"/api/machines/{quote(machine, safe='')}/evidence/{quote(identity, safe='')}"
        return self.ask("GET", path, EvidenceFile, seconds=EVIDENCE_SECONDS)

    def query(self, question: str, at: float, range_: tuple[float, float] | None = None) -> PromAnswer:
        """An expression's value at `at` (Unix seconds); with (length, step) in seconds, its values up to then."""
        fields: dict[str, str | float] = {"query": question}
        if range_:
            fields |= {"start": at - range_[0], "end": at, "step": range_[1]}
        else:
            fields["time"] = at
        return self._asked("/api/v1/query_range" if range_ else "/api/v1/query", fields)

    def now(self) -> float:
        """The hub's own clock, in Unix seconds: what it takes for now where nobody says when."""
        answer = self._asked("/api/v1/query", {"query": "time()"})
        if answer.resultType != "scalar" or len(answer.result) != 2:
            raise Failed(_strange(self.found, "it does not tell the time"), retry=False)
        return float(answer.result[1])

    def _asked(self, path: str, fields: Mapping[str, str | float]) -> PromAnswer:
        status, content = self._exchange("POST", path, urlencode(fields).encode(), QUERY_SECONDS)
        try:
            told = msgspec.json.decode(content, type=PromEnvelope)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise turned_away(self.found, status, content) from None
        if status == 401:
            raise turned_away(self.found, status, content)
        if told.data is None:
            raise Failed(told.error) if status >= 500 else Refused(told.error, code=told.errorType or "bad_data")
        return told.data

    def incidents(self) -> tuple[Incident, ...]:
        """Those that are not over, what waits for somebody first, then the gravest and the newest."""
        found = self.ask("GET", "/api/incidents?state=ongoing&limit=200", IncidentsView).incidents
        gravity = {"critical": 0, "warning": 1, "info": 2}
        return tuple(sorted(found, key=lambda one: (one.state != "open", one.drill, gravity[one.severity], -one.opened_at)))

    def acknowledge(self, incident: str) -> Incident:
        """Say that one looks after it."""
        return self.ask("POST", f"/api/incidents/{quote(incident, safe='')}/acknowledge", Incident, {})

    def ready(self) -> str:
        """Empty when the hub can keep what comes in; else why not, in its own words."""
        status, content = self._exchange("GET", "/readyz", None, ANSWER_SECONDS)
        return "" if status == 200 else content[:500].decode("utf-8", "replace").strip() or f"status {status}"

    def sign_in_link(self, person: str = "") -> SignInLink:
        """A fresh one-time link for a browser of `person`'s; of the first admin's without one."""
        path = f"/api/people/{quote(person, safe='')}/sign-in-links" if person else "/api/sign-in-links"
        return self.ask("POST", path, SignInLink)

    def live(self) -> tuple[str, dict[str, str]]:
        """Address and headers of the live stream, for a WebSocket client."""
        scheme = "wss" if self._parts.scheme == "https" else "ws"
        path = self._parts.path.rstrip("/")
        return f"{scheme}://{self._parts.netloc}{path}/live", self._headers()

    def ask(
        self,
        method: str,
        path: str,
        wanted: type[T],
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> T:
        """One request; the answer as `wanted`.

        Raises `Refused` for what the hub turns down, `Failed` when it is away, too busy or not a hub.
        """
        status, content = self._exchange(method, path, None if body is None else json.dumps(body).encode(), seconds)
        if status >= 400:
            raise turned_away(self.found, status, content)
        try:
            return msgspec.json.decode(content, type=wanted)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Failed(_strange(self.found, f"its answer cannot be read ({fault})"), retry=False) from None

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """One request whose answer says nothing but that it was done; raises as `ask` does."""
        sent = None if body is None else json.dumps(body).encode()
        status, content = self._exchange(method, path, sent, ANSWER_SECONDS)
        if status >= 400:
            raise turned_away(self.found, status, content)

    def _exchange(self, method: str, path: str, sent: bytes | None, seconds: float) -> tuple[int, bytes]:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=seconds)
        headers = self._headers()
        if sent is not None:
            is_form = path.startswith("/api/v1/")
            headers["Content-Type"] = "application/x-www-form-urlencoded" if is_form else "application/json"
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, sent, headers)
            answer = connection.getresponse()
            content = answer.read(ANSWER_BYTES + 1)
        except TimeoutError:
            raise Failed(f"the hub at {self.found.url} did not answer within {seconds:.0f} s") from None
        except ConnectionRefusedError:
            raise Failed(f"no hub answers at {self.found.url}{self.found.if_silent()}") from None
        except (OSError, http.client.HTTPException) as fault:
            reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
            raise Failed(f"cannot talk to the hub at {self.found.url}: {reason}") from None
        finally:
            connection.close()
        if len(content) > ANSWER_BYTES:
            raise Failed(_strange(self.found, "its answer is too long"), retry=False)
        return answer.status, content

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.found.token}",
            "Accept": "application/json",
            "User-Agent": f"watchkeeper/{__version__} ({socket.gethostname()})",
        }


def connect(reach: Reach) -> Hub:
    """The hub that `reach` leads to; nothing is sent yet. Raises `Refused` or `Failed` with what to do."""
    return Hub(look_up(reach))


def turned_away(found: Found, status: int, content: bytes) -> Refused | Failed:
    """What an answer of 400 and above means to the caller: act differently, or wait."""
    if status == 401:
        return Refused(
            f"the hub at {found.url} does not know the token in {found.token_file}; "
            "name its own with --token-file FILE, or its data folder with --data DIR",
            code="bad-token",
        )
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        seen = f"it answered {status} {http.client.responses.get(status, '')}".rstrip()
        return Failed(_strange(found, seen), retry=False)
    told = problem.why + (f"; {problem.hint}" if problem.hint else "")
    return Refused(told, code=problem.code) if status < 500 else Failed(told)


def _strange(found: Found, seen: str) -> str:
    return f"what answers at {found.url} is no hub of this version: {seen}"
