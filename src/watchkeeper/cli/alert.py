"""`watchkeeper alert …`: what goes on, what was, and what people do about it: acknowledge, silence, try a rule over history.

One verb with words of its own; each asks the hub once or twice and prints. How it looks is `alerted`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import ModuleType
from urllib.parse import quote, urlencode

from watchkeeper.cli.client import Hub, connect
from watchkeeper.cli.console import print_json, say
from watchkeeper.cli.exits import OK
from watchkeeper.cli.options import add_arguments, reach
from watchkeeper.errors import Refused
from watchkeeper.model import Event
from watchkeeper.quantities import Duration
from watchkeeper.telling import Comment, Incident
from watchkeeper.web.alert_shapes import (
    AlertDetail,
    AlertsView,
    BackTest,
    IncidentDetail,
    IncidentsView,
    RuleView,
    SilenceView,
)

TEST_SECONDS = 120.0
SHORTEST = 4
"""Characters of an id that are enough to mean it, if no other begins so."""


def _drawing() -> ModuleType:
    """How it looks; loaded when something is shown, since it brings Rich."""
    from watchkeeper.cli import alerted  # noqa: PLC0415  # as above

    return alerted


def declare(parser: argparse.ArgumentParser) -> None:
    """Its words."""
    words = parser.add_subparsers(dest="word", metavar="WORD", title="words", required=True)

    def word(name: str, work: Callable[[argparse.Namespace, Hub], int], about: str) -> argparse.ArgumentParser:
        below = words.add_parser(name, help=about, description=f"{about}.", allow_abbrev=False)
        below.set_defaults(work=work)
        add_arguments(below, again=True)
        return below

    listed = word("list", _list, "list alerts that go on, the gravest first")
    listed.add_argument("--state", choices=("pending", "firing", "unknown"), help="those in this state alone")
    listed.add_argument("--machine", default="", metavar="NAME", help="those of one machine alone")
    show = word("show", _show, "show one alert, or one incident with its timeline")
    show.add_argument("id", metavar="ID", help="of an alert or an incident; its beginning will do, or a rule's name")
    incidents = word("incidents", _incidents, "list incidents, the newest first")
    _limited(incidents)
    ack = word("ack", _ack, "acknowledge an incident: no reminder and no escalation from now on")
    ack.add_argument(
        "id", metavar="ID", help="of an incident, or of one of its alerts; its beginning will do, or a rule's name"
    )
    ack.add_argument("--take-back", action="store_true", help="nobody looks after it any more")
    ack.add_argument("-m", "--comment", default="", metavar="TEXT", help="say something with it")
    assign = word("assign", _assign, "say who looks after an incident")
    assign.add_argument("id", metavar="ID")
    assign.add_argument("person", metavar="PERSON", help="an empty text: nobody")
    comment = word("comment", _comment, "say something about an incident")
    comment.add_argument("id", metavar="ID")
    comment.add_argument("text", metavar="TEXT")
    _declare_silence(word("silence", _silence, "list silences, add one, or end one"))
    history = word("history", _history, "list alerts that have fired, the newest first")
    _limited(history)
    history.add_argument("--rule", default="", metavar="NAME", help="those of one rule alone")
    rules = word("rules", _rules, "list all rules and how they stand")
    rules.add_argument("--dormant", action="store_true", help="those alone that wait for figures, and for which")
    test = word("test", _test, "replay a rule over stored history: when would it have fired, and how many messages?")
    test.add_argument("rule", metavar="RULE", help="a rule's name or key; with --expr, any name")
    test.add_argument("--expr", default="", metavar="EXPR", help="an expression of PromQL that is to be tried")
    test.add_argument(
        "--for", dest="hold", type=_span, default=Duration(0), metavar="LENGTH", help="how long it must hold (with --expr)"
    )
    test.add_argument("--since", type=_span, default=Duration(86400), metavar="LENGTH", help="how far back, as 30d (1d)")
    mark = word("mark", _mark, "say that something was changed: a line on every timeline")
    mark.add_argument("text", metavar="TEXT")
    mark.add_argument("--machine", default="", metavar="NAME")
    mark.add_argument("--server", default="", metavar="NAME")


def run(args: argparse.Namespace) -> int:
    """Do what the word says."""
    code: int = args.work(args, connect(reach(args)))
    return code


def _declare_silence(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", metavar="ACT")
    listed = acts.add_parser("list", help="those that hold, and those to come", allow_abbrev=False)
    add = acts.add_parser("add", help="tell nobody of alerts whose labels match", allow_abbrev=False)
    add.add_argument(
        "matchers", nargs="+", metavar="MATCHER", help="such as machine=db-1, alertname=~Disk.*, severity!=critical"
    )
    add.add_argument("--for", dest="hold", type=_span, default=Duration(3600), metavar="LENGTH", help="for so long (1h)")
    add.add_argument("-m", "--comment", default="", metavar="TEXT", help="why")
    expire = acts.add_parser("expire", help="end silences now", allow_abbrev=False)
    expire.add_argument("ids", nargs="+", metavar="ID", help="its beginning will do")
    for act in (listed, add, expire):
        add_arguments(act, again=True)


def _limited(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--lines", type=int, default=30, choices=range(1, 1001), metavar="N", help="how many (30)")
    parser.add_argument("--machine", default="", metavar="NAME", help="those of one machine alone")


def _list(args: argparse.Namespace, hub: Hub) -> int:
    asked = {"state": args.state or "", "machine": args.machine}
    found = hub.ask("GET", f"/api/alerts?{urlencode(asked)}", AlertsView).alerts
    if args.json:
        print_json(found)
    elif found:
        _drawing().print_alerts(found, _now())
    else:
        say(args, "No alert goes on.")
    return OK


def _history(args: argparse.Namespace, hub: Hub) -> int:
    asked = {"limit": args.lines, "machine": args.machine, "name": args.rule}
    found = hub.ask("GET", f"/api/alerts/history?{urlencode(asked)}", AlertsView).alerts
    if args.json:
        print_json(found)
    elif found:
        _drawing().print_alerts(found, _now(), past=True)
    else:
        say(args, "No alert has fired.")
    return OK


def _incidents(args: argparse.Namespace, hub: Hub) -> int:
    found = hub.ask(
        "GET", f"/api/incidents?{urlencode({'limit': args.lines, 'machine': args.machine})}", IncidentsView
    ).incidents
    if args.json:
        print_json(found)
    elif found:
        _drawing().print_incidents(found, _now())
    else:
        say(args, "There was no incident.")
    return OK


def _show(args: argparse.Namespace, hub: Hub) -> int:
    alert, incident = _meant(hub, args.id)
    if alert:
        detail = hub.ask("GET", f"/api/alerts/{quote(alert, safe='')}", AlertDetail)
        print_json(detail) if args.json else _drawing().print_alert(detail, _now())
    else:
        whole = hub.ask("GET", f"/api/incidents/{quote(incident, safe='')}", IncidentDetail)
        print_json(whole) if args.json else _drawing().print_incident(whole, _now())
    return OK


def _ack(args: argparse.Namespace, hub: Hub) -> int:
    path = f"/api/incidents/{quote(_incident(hub, args.id), safe='')}"
    found = hub.ask("DELETE" if args.take_back else "POST", f"{path}/acknowledge", Incident)
    if args.comment:
        hub.ask("POST", f"{path}/comments", Comment, {"text": args.comment})
    _told(args, found, "open again" if args.take_back else f"acknowledged by {found.acknowledged_by}")
    return OK


def _assign(args: argparse.Namespace, hub: Hub) -> int:
    path = f"/api/incidents/{quote(_incident(hub, args.id), safe='')}/assign"
    found = hub.ask("POST", path, Incident, {"to": args.person})
    _told(args, found, f"for {found.assigned_to} to look after" if found.assigned_to else "for nobody to look after")
    return OK


def _comment(args: argparse.Namespace, hub: Hub) -> int:
    path = f"/api/incidents/{quote(_incident(hub, args.id), safe='')}/comments"
    found = hub.ask("POST", path, Comment, {"text": args.text})
    print_json(found) if args.json else say(args, "It is on the incident.")
    return OK


def _silence(args: argparse.Namespace, hub: Hub) -> int:
    match args.act:
        case "add":
            asked = {"matchers": args.matchers, "seconds": float(args.hold), "comment": args.comment}
            fresh = hub.ask("POST", "/api/silences", SilenceView, asked)
            print_json(fresh) if args.json else say(
                args, f"{fresh.id} silences {fresh.alerts} {'alert' if fresh.alerts == 1 else 'alerts'} now, for {args.hold}."
            )
        case "expire":
            known = hub.ask("GET", "/api/silences", list[SilenceView])
            for begun in args.ids:
                one = _one([silence.id for silence in known], begun, "silence")
                ended = hub.ask("DELETE", f"/api/silences/{quote(one, safe='')}", SilenceView)
                print_json(ended) if args.json else say(args, f"{ended.id} has ended.")
        case _:
            found = [one for one in hub.ask("GET", "/api/silences", list[SilenceView]) if one.state != "expired"]
            if args.json:
                print_json(found)
            elif found:
                _drawing().print_silences(found, _now())
            else:
                say(args, "Nothing is silenced.")
    return OK


def _rules(args: argparse.Namespace, hub: Hub) -> int:
    found = [one for one in hub.ask("GET", "/api/rules", list[RuleView]) if one.dormant or not args.dormant]
    print_json(found) if args.json else _drawing().print_rules(found)
    return OK


def _test(args: argparse.Namespace, hub: Hub) -> int:
    asked = {"rule": args.rule, "expr": args.expr, "for_seconds": float(args.hold), "since_seconds": float(args.since)}
    found = hub.ask("POST", "/api/rules/test", BackTest, asked, seconds=TEST_SECONDS)
    print_json(found) if args.json else _drawing().print_test(found)
    return OK


def _mark(args: argparse.Namespace, hub: Hub) -> int:
    asked = {"text": args.text, "machine": args.machine, "server": args.server}
    event = hub.ask("POST", "/api/marks", Event, asked)
    print_json(event) if args.json else say(args, "It is on the timeline.")
    return OK


def _told(args: argparse.Namespace, incident: Incident, what: str) -> None:
    print_json(incident) if args.json else say(args, f"{incident.title}: {what}.")


def _incident(hub: Hub, begun: str) -> str:
    """The incident that is meant, directly or by one of its alerts."""
    alert, incident = _meant(hub, begun)
    if incident:
        return incident
    found = hub.ask("GET", f"/api/alerts/{quote(alert, safe='')}", AlertDetail).incident
    if found is None:
        raise Refused(f"the alert {alert} belongs to no incident: nobody is told of it", code="unknown-incident")
    return found.id


def _meant(hub: Hub, begun: str) -> tuple[str, str]:
    """The id of an alert, or of an incident, that begins so: one of the two is empty. Raises Refused.

    A rule's name will do where one alert of it goes on; where none does, it is the newest.
    """
    incidents = [one.id for one in hub.ask("GET", "/api/incidents?limit=1000", IncidentsView).incidents]
    if any(one.startswith(begun) for one in incidents):
        return "", _one(incidents, begun, "incident")
    going_on = hub.ask("GET", "/api/alerts", AlertsView).alerts
    past = hub.ask("GET", "/api/alerts/history?limit=1000", AlertsView).alerts
    if named := [one.id for one in going_on if one.name == begun]:
        if len(named) > 1:
            raise Refused(f"{len(named)} alerts {begun} go on: say the id of one", code="ambiguous-id")
        return named[0], ""
    if last := next((one.id for one in past if one.name == begun), ""):
        return last, ""
    return _one(list(dict.fromkeys(one.id for one in (*going_on, *past))), begun, "alert or incident"), ""


def _one(known: list[str], begun: str, what: str) -> str:
    found = [one for one in known if one == begun] or [one for one in known if one.startswith(begun)]
    if len(found) == 1 and len(begun) >= SHORTEST:
        return found[0]
    if len(found) > 1:
        raise Refused(f"{len(found)} ids begin with {begun!r}: say more of it", code="ambiguous-id")
    raise Refused(f"there is no {what} {begun!r}", code="unknown-id")


def _span(written: str) -> Duration:
    try:
        return Duration.parse(written)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _now() -> int:
    return int(time.time() * 1000)
