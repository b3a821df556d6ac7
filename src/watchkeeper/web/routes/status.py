"""The public page: are the configured services up, and were they; for everybody, and only where it is configured."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from watchkeeper.errors import Refused
from watchkeeper.web import plainpage
from watchkeeper.web.hall import Hall
from watchkeeper.web.statusboard import DayReport, ServiceReport, StatusReport

KEPT = {"cache-control": "public, max-age=60"}
WORDS = {"up": "Up", "down": "Down", "unknown": "Not known"}
SIGNS = {"up": "●", "down": "✕", "unknown": "◌"}
BAR_WIDTH = 6
BAR_HEIGHT = 32
SLIGHT = 0.999
"""Below this share of the known time a day is drawn as partly down."""
STYLE = (
    ":root{color-scheme:light dark;--ink:#1c2127;--soft:#59636e;--ground:#f4f5f7;--sheet:#fff;--line:#d9dee4;"
    "--up:#2e7d4f;--part:#b7791f;--down:#c0362c;--unknown:#aab2bb}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#a4adb7;--ground:#14171a;--sheet:#1e2328;--line:#343b43;"
    "--up:#4cae75;--part:#d9a441;--down:#f0766c;--unknown:#59636e}}"
    "body{margin:0;padding:2rem 1rem;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}"
    "main{max-width:44rem;margin:auto}h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:0}"
    "p{margin:.25rem 0}.verdict{font-size:1.15rem;font-weight:600;margin:1rem 0;padding:.9rem 1.1rem;background:var(--sheet);"
    "border:1px solid var(--line);border-left:.35rem solid var(--unknown);border-radius:.5rem}"
    ".verdict.up{border-left-color:var(--up)}.verdict.down{border-left-color:var(--down)}"
    "section{padding:1rem 1.1rem;margin:.75rem 0;background:var(--sheet);border:1px solid var(--line);border-radius:.5rem}"
    "header{display:flex;justify-content:space-between;gap:1rem}.soft,footer{color:var(--soft);font-size:.875rem}"
    ".state{white-space:nowrap;font-weight:600}.state.up{color:var(--up)}.state.down{color:var(--down)}"
    ".state.unknown{color:var(--soft)}svg{display:block;width:100%;height:2rem;margin:.6rem 0 .2rem}"
    "rect.up{fill:var(--up)}rect.part{fill:var(--part)}rect.down{fill:var(--down)}rect.unknown{fill:var(--unknown)}"
    "rect.none{fill:var(--line)}.ends{display:flex;justify-content:space-between}footer{margin-top:1.5rem}"
    "@media print{body{background:#fff;padding:0}section,.verdict{break-inside:avoid}}"
)


@get("/status", media_type=MediaType.HTML, opt={"open": True}, include_in_schema=False)
async def status(hall: NamedDependency[Hall]) -> Response[str]:
    """The page; there is none unless ``[status]`` names services."""
    told = await _report(hall)
    verdict, word = _verdict(told)
    about = f"<p class=soft>{escape(told.about)}</p>" if told.about else ""
    body = (
        f'{about}<p class="verdict {word}" role=status>{escape(verdict)}</p>'
        + "".join(_service(one) for one in told.services)
        + f"<footer><p>As at {_moment(told.at)} UTC. Days are days of UTC. Time of which nothing is known counts neither as up"
        " nor as down.</p></footer>"
    )
    return plainpage.page(told.title, body, STYLE, headers=KEPT)


@get("/status.json", operation_id="status", opt={"open": True})
async def status_data(hall: NamedDependency[Hall]) -> Response[StatusReport]:
    """The same for programs, without a sign-in: titles, states and seconds by day; 404 unless ``[status]`` names services."""
    return Response(await _report(hall), headers=KEPT)


async def _report(hall: Hall) -> StatusReport:
    if not hall.keeping.status.services:
        raise Refused("there is nothing at this address", code="no-such-route")
    return await hall.status_board.report()


def _verdict(told: StatusReport) -> tuple[str, str]:
    """The first line, and the state that it is drawn as."""
    down = [one.title for one in told.services if one.state == "down"]
    dark = [one.title for one in told.services if one.state == "unknown"]
    many = len(told.services)
    if down:
        return f"Down: {', '.join(down)}." + (f" Not known: {', '.join(dark)}." if dark else ""), "down"
    if dark:
        return ("Nothing is known right now." if len(dark) == many else f"Not known right now: {', '.join(dark)}."), "unknown"
    return f"{told.services[0].title} is up." if many == 1 else f"All {many} services are up.", "up"


def _service(one: ServiceReport) -> str:
    about = f"<p class=soft>{escape(one.about)}</p>" if one.about else ""
    share = "nothing is known yet" if one.share is None else f"{_percent(one.share)} of the known time up"
    dark = f"; {_percent(one.unknown)} not known" if one.unknown and one.unknown >= 0.00005 else ""
    bars = "".join(_bar(place, day) for place, day in enumerate(one.days))
    width = len(one.days) * BAR_WIDTH
    words = f"{one.title}, the last {len(one.days)} days: {share}{dark}"
    first = one.days[0].start
    return (
        f"<section><header><h2>{escape(one.title)}</h2>"
        f'<span class="state {one.state}"><span aria-hidden=true>{SIGNS[one.state]}</span> {WORDS[one.state]}</span></header>'
        f'{about}<svg viewBox="0 0 {width} {BAR_HEIGHT}" preserveAspectRatio=none role=img aria-label="{escape(words)}">'
        f"{bars}</svg>"
        f"<p class='ends soft'><span>{_date(first)}</span><span>{escape(share + dark)}</span><span>today</span></p></section>"
    )


def _bar(place: int, day: DayReport) -> str:
    """One day: its colour is its state, and a bad one is taller than a good one, so that colour is not all that tells."""
    known = day.up + day.down
    if not known:
        kind, height = ("unknown", 0.35) if day.unknown else ("none", 0.2)
    elif day.up / known >= SLIGHT:
        kind, height = "up", 0.7
    else:
        kind, height = ("down", 1.0) if day.down >= day.up else ("part", 0.9)
    told = f"{_date(day.start)}: " + ("nothing known" if not known else f"{_percent(day.up / known)} up")
    told += f", down for {_span(day.down)}" if day.down >= 1 else ""
    told += f", not known for {_span(day.unknown)}" if known and day.unknown >= 60 else ""
    top = BAR_HEIGHT * (1 - height)
    return (
        f'<rect class={kind} x="{place * BAR_WIDTH}" y="{top:g}" width="{BAR_WIDTH - 1.5:g}" height="{BAR_HEIGHT - top:g}"'
        f' rx="1"><title>{told}</title></rect>'
    )


def _percent(share: float) -> str:
    """Rounded down, so that 100 % is said of nothing that was ever down."""
    return f"{int(share * 100_000) / 1000:.5g} %"


def _span(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _moment(at: int) -> str:
    return f"{_date(at)}, {datetime.fromtimestamp(at / 1000, UTC):%H:%M}"


def _date(at: int) -> str:
    day = datetime.fromtimestamp(at / 1000, UTC)
    return f"{day.day} {day:%b %Y}"


ROUTES = [status, status_data]
