"""The page behind the link in a message: it says what it is about, and a button acknowledges.

Opening it changes nothing, because programs that look for malware open every link of a mail. The link itself is the
permission, so nobody has to sign in on the phone at night; who is signed in is named, others may say who they are.
"""

from __future__ import annotations

from html import escape
from typing import Any

from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from watchkeeper.errors import Refused
from watchkeeper.journal.access import Bearer
from watchkeeper.message.facts import clean, moment, subject, where
from watchkeeper.outward import time_zone
from watchkeeper.web import plainpage
from watchkeeper.web.hall import Hall, peer
from watchkeeper.web.problems import STATUS

STYLE = (
    "body{margin:0;padding:2rem 1rem;font:1rem/1.5 system-ui,sans-serif;color:#1c2127;background:#f4f5f7}"
    "main{max-width:32rem;margin:auto;padding:1.5rem;background:#fff;border-radius:.75rem}"
    "h1{font-size:1.25rem;margin:0 0 1rem}p{margin:0 0 1rem}label{display:block;margin:0 0 1rem}"
    "form+p,p+p{margin-top:1rem}a{color:#1f5fa8}@media(prefers-color-scheme:dark){a{color:#8ab8f0}}"
    "input{display:block;width:100%;box-sizing:border-box;padding:.6rem;font:inherit;border:1px solid #9aa3ad}"
    "button{width:100%;padding:.8rem;font:inherit;font-weight:600;color:#fff;background:#1f5fa8;border:0;border-radius:.4rem}"
    "@media(prefers-color-scheme:dark){body{color:#e7eaee;background:#14171a}main{background:#1e2328}"
    "input{color:inherit;background:#14171a}}"
)
HEADERS = {"referrer-policy": "same-origin"}
"""The form's origin must be told, else the gate would take it for another site's."""


@get("/ack/{token:str}", media_type=MediaType.HTML, opt={"open": True}, include_in_schema=False)
async def ask(request: Request[Any, Any, Any], hall: NamedDependency[Hall], token: FromPath[str]) -> Response[str]:
    """Show what would be acknowledged, and the button."""
    try:
        claim = hall.desk.office.links.read(token, hall.now())
    except Refused as fault:
        return _page("This link does not work", f"<p>{escape(fault.why)}.</p>", STATUS.get(fault.code, 400))
    known = await hall.desk.journal.notifications.newest_of(claim.incident)
    if known is None:
        return _page("This incident is not known", "<p>It is older than what the hub keeps.</p>", 404)
    told = known.bulletin
    signed_in = _signed_in(request)
    name = "" if signed_in else '<label>Who are you? <input name="by" maxlength="60" autocomplete="name"></label>'
    place = f"<p>{escape(where(told))}</p>" if where(told) else ""
    body = (
        f"<p>{escape(subject(told))}</p>{place}<p>Last told {moment(known.at, time_zone('UTC'))}.</p>"
        f'<form method="post">{name}<button>Acknowledge</button></form>{_onward(hall, claim.incident)}'
    )
    return _page("Take this incident into your hands?", body)


@post("/ack/{token:str}", status_code=200, media_type=MediaType.HTML, opt={"open": True}, include_in_schema=False)
async def acknowledge(request: Request[Any, Any, Any], hall: NamedDependency[Hall], token: FromPath[str]) -> Response[str]:
    """Acknowledge: whoever has the link may."""
    try:
        claim = hall.desk.office.links.read(token, hall.now())
        signed_in = _signed_in(request)
        said = clean(str((await request.form()).get("by", "")), 60)
        by = signed_in.name if signed_in else f"{said or 'somebody'} (by the link sent to {claim.channel})"
        await hall.desk.acknowledge(claim.incident, by, peer(request))
    except Refused as fault:
        return _page("That was not possible", f"<p>{escape(fault.why)}.</p>", STATUS.get(fault.code, 400))
    told = f"<p>The incident is in the hands of {escape(by)}. Reminders of it have ended.</p>"
    return _page("Acknowledged", told + _onward(hall, claim.incident))


def _onward(hall: Hall, incident: str) -> str:
    """The way to all there is to know of it, for who may sign in."""
    return f'<p><a href="{escape(hall.desk.office.links.page(incident))}">See the incident in the dashboard</a></p>'


def _signed_in(request: Request[Any, Any, Any]) -> Bearer | None:
    bearer: Any = request.scope.get("bearer")  # put there by the gate
    return bearer if isinstance(bearer, Bearer) else None


def _page(title: str, body: str, status: int = 200) -> Response[str]:
    return plainpage.page(title, body, STYLE, status=status, headers=HEADERS, forms=True)


ROUTES = [ask, acknowledge]
