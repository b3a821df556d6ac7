"""The process that hands one message over by Apprise: an order on stdin, what became of it on stdout, then it ends.

Run by path, with nothing of ours imported, so that it starts quickly and holds none of the hub's state. It watches the HTTP
of whatever plugin sends: the idempotency key goes along, no redirect is followed, and the last answer tells whether another
try is sane. Nothing that it says holds the address.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

MEMORY_BYTES = 1 << 30
PORTS = {"http": 80, "https": 443}


class LastWords(logging.Handler):
    """Keeps the last complaint of Apprise: it knows best what its services answer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.said = record.getMessage()[:300]


def main() -> int:
    """Do the one thing; the exit code says nothing, the answer does."""
    answer_to = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)  # whatever a plugin prints must not become our answer
    try:
        order = json.load(sys.stdin)
        limit(order["seconds"])
        said = carry_out(order)
    except ImportError:
        said = {"why": "Apprise is not installed", "usable": False}
    except Exception as fault:  # noqa: BLE001  # a plugin may raise anything, and its words may hold the address
        said = {"why": f"Apprise broke ({type(fault).__name__})"}
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:
        json.dump(said, out)
    return 0


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Send, and say how it went, in the fields of `apprise.Said`."""
    import apprise  # noqa: PLC0415  # its absence is an answer, too
    import requests  # noqa: PLC0415  # comes with it

    words = LastWords()
    log = logging.getLogger("apprise")
    log.addHandler(words)
    log.propagate = False
    seen: dict[str, Any] = {}
    watch(requests, order["key"], seen)
    asset = apprise.AppriseAsset(app_id="Watchkeeper", app_desc="Watchkeeper", async_mode=False, secure_logging=True)
    plugin = apprise.Apprise.instantiate(order["url"], asset=asset, suppress_exceptions=True)
    if plugin is None:
        return {"why": "Apprise cannot read the address: is it spelled as its documentation says?", "usable": False}
    if plugin.socket_read_timeout == apprise.URLBase.socket_read_timeout:  # the address (?rto=) does not say otherwise
        plugin.socket_read_timeout = order["seconds"]
    form = fitting(order["forms"], plugin.body_maxlen - len(order["title"]) - 2)
    box = apprise.Apprise(asset=asset)
    box.add(plugin)
    if box.notify(body=form, title=order["title"], notify_type=order["kind"], body_format="text"):
        return seen | {"why": ""}
    status = seen.get("status", 0)
    told = f"HTTP {status} from {seen['host']}" if status else seen.get("fault", "")
    return seen | {"why": ": ".join(filter(None, (told, words.said))) or "Apprise could not send it"}


def fitting(forms: list[str], most: int) -> str:
    """The first of the forms, longest first, that a service takes; the last, cut, where it takes none."""
    return next((form for form in forms if len(form) <= most), forms[-1][: max(1, most)])


def watch(requests: Any, key: str, seen: dict[str, Any]) -> None:
    """Have every HTTP request of this process carry the key and follow nothing, and note the last one's end in `seen`."""
    ask, send = requests.Session.request, requests.adapters.HTTPAdapter.send

    def asked(session: Any, method: str, url: str, **options: Any) -> Any:
        options["allow_redirects"] = False
        options["headers"] = {"Idempotency-Key": key} | dict(options.get("headers") or {})
        return ask(session, method, url, **options)

    def sent(adapter: Any, request: Any, **options: Any) -> Any:
        parts = urlsplit(request.url)
        seen.clear()
        seen.update(host=parts.hostname or "", port=parts.port or PORTS.get(parts.scheme, 0), connected=True, status=0)
        try:
            answer = send(adapter, request, **options)
        except requests.exceptions.RequestException as fault:
            lost = isinstance(fault, (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError)) or (
                isinstance(fault, requests.exceptions.ConnectionError) and "NewConnectionError" in repr(fault)
            )
            seen["connected"] = not lost
            seen["fault"] = f"{'cannot connect to' if lost else 'no answer from'} {seen['host']}"
            raise
        seen["status"] = answer.status_code
        return answer

    requests.Session.request = asked
    requests.adapters.HTTPAdapter.send = sent


def limit(seconds: float) -> None:
    """End by itself if nobody ends it, and take no more memory than a message may."""
    if hasattr(signal, "alarm"):
        signal.alarm(int(seconds) + 5)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
