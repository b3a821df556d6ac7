"""Alertmanager's API, version 2: alerts, groups, silences, status. `amtool` and others that speak it work unchanged.

Answers and errors are those of Alertmanager 0.25; times are RFC 3339, an error is a JSON string. What others post as alerts
is judged like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from watchkeeper import __version__
from watchkeeper.alert.matchers import matches, parse_matcher
from watchkeeper.alert.suppressing import silence_state
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Matcher
from watchkeeper.telling import Alert, AlertState, Silence
from watchkeeper.web import problems
from watchkeeper.web.hall import Hall, bearer, peer
from watchkeeper.web.parameters import instant

VERSION = "0.25.0"
"""What of Alertmanager we speak."""
GOES_ON = 300_000
"""Of an alert that fires, Alertmanager tells an end that lies ahead: its resolve time-out, ms."""


class AmMatcher(msgspec.Struct):
    """A matcher as this API spells it."""

    name: str
    value: str
    isRegex: bool = False  # noqa: N815  # as the API spells it
    isEqual: bool = True  # noqa: N815  # as the API spells it


class AmAlert(msgspec.Struct):
    """An alert that is posted."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815  # as the API spells it
    endsAt: str = ""  # noqa: N815  # as the API spells it
    generatorURL: str = ""  # noqa: N815  # as the API spells it


class AmSilence(msgspec.Struct):
    """A silence that is posted."""

    matchers: list[AmMatcher]
    startsAt: str  # noqa: N815  # as the API spells it
    endsAt: str  # noqa: N815  # as the API spells it
    createdBy: str  # noqa: N815  # as the API spells it
    comment: str
    id: str | None = None


def _refused(_: Request[Any, Any, Any], fault: Refused) -> Response[str]:
    return _error(problems.STATUS.get(fault.code, 400), fault.why)


def _failed(_: Request[Any, Any, Any], fault: Failed) -> Response[str]:
    return _error(503, fault.why)


def _rejected(_: Request[Any, Any, Any], fault: HTTPException) -> Response[str]:
    return _error(fault.status_code, fault.detail or str(fault))


def _broken(request: Request[Any, Any, Any], fault: Exception) -> Response[str]:
    problems.broken(request, fault)  # which logs it
    return _error(500, "the hub made a mistake; its log has the details")


FAULTS: dict[int | type[Exception], Any] = {Refused: _refused, Failed: _failed, HTTPException: _rejected, Exception: _broken}


@get("/api/v2/alerts", operation_id="amAlerts", exception_handlers=FAULTS, sync_to_thread=False)
def alerts(
    hall: NamedDependency[Hall],
    *,
    active: FromQuery[bool] = True,
    silenced: FromQuery[bool] = True,
    inhibited: FromQuery[bool] = True,
    unprocessed: FromQuery[bool] = True,
    filter: FromQuery[list[str] | None] = None,  # noqa: A002  # as the API spells it
    receiver: FromQuery[str] = "",
) -> list[dict[str, Any]]:
    """Alerts that fire, with who is told of them."""
    del unprocessed  # every alert of ours has been looked at
    return [
        one
        for one in _alerts(hall, filter or (), receiver)
        if _is_wanted(one["status"], active=active, silenced=silenced, inhibited=inhibited)
    ]


@post("/api/v2/alerts", operation_id="amAddAlerts", status_code=200, exception_handlers=FAULTS)
async def add_alerts(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> None:
    """Take alerts that others have judged, a Prometheus say; posted again before they end, they go on."""
    try:
        asked = msgspec.json.decode(await request.body(), type=list[AmAlert])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"bad alerts: {fault}", code="bad-alert") from None
    hall.desk.alerting.take_posted([(one.labels, one.annotations, _posted(one.startsAt), _posted(one.endsAt)) for one in asked])


@get("/api/v2/alerts/groups", operation_id="amGroups", exception_handlers=FAULTS, sync_to_thread=False)
def groups(
    hall: NamedDependency[Hall],
    *,
    active: FromQuery[bool] = True,
    silenced: FromQuery[bool] = True,
    inhibited: FromQuery[bool] = True,
    filter: FromQuery[list[str] | None] = None,  # noqa: A002  # as the API spells it
    receiver: FromQuery[str] = "",
) -> list[dict[str, Any]]:
    """The same by the incidents that share their messages."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    incidents = {alert.fingerprint: alert.incident for alert in hall.desk.alerting.alerts()}
    for one in _alerts(hall, filter or (), receiver):
        if _is_wanted(one["status"], active=active, silenced=silenced, inhibited=inhibited):
            for name in one["receivers"]:
                found.setdefault((incidents.get(one["fingerprint"], ""), name["name"]), []).append(one)
    return [
        {"labels": {"incident": incident} if incident else {}, "receiver": {"name": name}, "alerts": some}
        for (incident, name), some in found.items()
    ]


@get("/api/v2/silences", operation_id="amSilences", exception_handlers=FAULTS, sync_to_thread=False)
def silences(
    hall: NamedDependency[Hall],
    filter: FromQuery[list[str] | None] = None,  # noqa: A002  # as the API spells it
) -> list[dict[str, Any]]:
    """All silences."""
    wanted = [parse_matcher(one) for one in filter or ()]
    return [_silence(hall, one) for one in hall.desk.alerting.silences() if all(_mentions(one, matcher) for matcher in wanted)]


@post("/api/v2/silences", operation_id="amAddSilence", status_code=200, exception_handlers=FAULTS)
async def add_silence(request: Request[Any, Any, Any], hall: NamedDependency[Hall]) -> dict[str, str]:
    """Add a silence, or change the one of that id."""
    try:
        asked = msgspec.json.decode(await request.body(), type=AmSilence)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(f"bad silence: {fault}", code="bad-silence") from None
    matchers = tuple(_matcher(one) for one in asked.matchers)
    wanted = Silence(asked.id or "", matchers, _instant(asked.startsAt), _instant(asked.endsAt), asked.createdBy, asked.comment)
    kept = await hall.desk.alerting.put_silence(wanted, bearer(request).name, peer(request))
    return {"silenceID": kept.id}


@get("/api/v2/silence/{silence:str}", operation_id="amSilence", exception_handlers=FAULTS, sync_to_thread=False)
def silence_(hall: NamedDependency[Hall], silence: FromPath[str]) -> dict[str, Any]:
    """One silence."""
    return _silence(hall, hall.desk.alerting.silence(silence))


@delete("/api/v2/silence/{silence:str}", operation_id="amExpireSilence", status_code=200, exception_handlers=FAULTS)
async def expire_silence(request: Request[Any, Any, Any], hall: NamedDependency[Hall], silence: FromPath[str]) -> None:
    """End a silence."""
    await hall.desk.alerting.expire_silence(silence, bearer(request).name, peer(request))


@get("/api/v2/status", operation_id="amStatus", exception_handlers=FAULTS, sync_to_thread=False)
def status(hall: NamedDependency[Hall]) -> dict[str, Any]:
    """What answers here."""
    about = {
        "branch": "watchkeeper",
        "buildDate": "",
        "buildUser": "",
        "goVersion": "",
        "revision": f"watchkeeper-{__version__}",
    }
    return {
        "cluster": {"status": "disabled", "peers": []},
        "config": {"original": "# written in watchkeeper.toml: `watchkeeper config show`\n"},
        "uptime": _told(hall.desk.alerting.started_at),
        "versionInfo": about | {"version": VERSION},
    }


@get("/api/v2/receivers", operation_id="amReceivers", exception_handlers=FAULTS, sync_to_thread=False)
def receivers(hall: NamedDependency[Hall]) -> list[dict[str, str]]:
    """The channels that routes name."""
    return [{"name": name} for name in hall.desk.alerting.channels()]


def _alerts(hall: Hall, filters: Sequence[str], receiver: str) -> list[dict[str, Any]]:
    wanted = [parse_matcher(one) for one in filters]
    desk = hall.desk.alerting
    found = []
    for alert in desk.alerts():
        if alert.is_told_firing and matches(wanted, alert.labels):
            names = desk.channels_of(alert)
            if not receiver or receiver in names:
                found.append(_alert(hall, alert, names, desk.silenced_by(alert)))
    return found


def _alert(hall: Hall, alert: Alert, names: Sequence[str], silenced: list[str]) -> dict[str, Any]:
    inhibited = [alert.suppressed.removeprefix("inhibited by ")] if alert.suppressed.startswith("inhibited") else []
    quiet = bool(silenced or inhibited or alert.suppressed)
    place = f"incidents/{alert.incident}" if alert.incident else f"rules#{quote(alert.labels.get('alertname', ''))}"
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": _told(alert.fired_at),
        "endsAt": _told(alert.resolved_at or hall.now() + GOES_ON),
        "updatedAt": _told(alert.changed_at),
        "generatorURL": f"{hall.outside}/{place}",
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in names],
        "status": {
            "state": "suppressed" if quiet else "active" if alert.state is AlertState.FIRING else "unprocessed",
            "silencedBy": silenced,
            "inhibitedBy": inhibited,
        },
    }


def _is_wanted(status: dict[str, Any], *, active: bool, silenced: bool, inhibited: bool) -> bool:
    if status["silencedBy"]:
        return silenced
    if status["inhibitedBy"]:
        return inhibited
    return active


def _silence(hall: Hall, one: Silence) -> dict[str, Any]:
    return {
        "id": one.id,
        "status": {"state": silence_state(one, hall.now())},
        "updatedAt": _told(one.created_at),
        "comment": one.comment,
        "createdBy": one.author,
        "startsAt": _told(one.starts_at),
        "endsAt": _told(one.ends_at),
        "matchers": [
            {"name": each.label, "value": each.value, "isRegex": "~" in each.op, "isEqual": each.op in {"=", "=~"}}
            for each in one.matchers
        ],
    }


def _mentions(silence: Silence, wanted: Matcher) -> bool:
    """Whether a silence is about what a filter asks for: its own matchers taken as labels, as Alertmanager does."""
    labels = {one.label: one.value for one in silence.matchers}
    return matches([wanted], labels)


def _matcher(one: AmMatcher) -> Matcher:
    op = ("=~" if one.isEqual else "!~") if one.isRegex else ("=" if one.isEqual else "!=")
    return Matcher(one.name, op, one.value)  # type: ignore[arg-type]  # one of the four


def _instant(written: str) -> int:
    found = instant(written)
    if found is None:
        raise Refused(f"{written!r} is no time", code="bad-silence")
    return found


def _posted(written: str) -> int:
    """0 where none is given; Go's zero time is none."""
    return 0 if not written or written.startswith("0001-01-01") else _instant(written)


def _told(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, why: str) -> Response[str]:
    return Response(msgspec.json.encode(why).decode(), status_code=status, media_type=MediaType.JSON)


ROUTES = [alerts, add_alerts, groups, silences, add_silence, silence_, expire_silence, status, receivers]
