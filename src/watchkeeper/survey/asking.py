"""Ask a port once what it speaks: HTTP, HTTPS or something else, and whether it has a page of figures.

One GET of ``/`` (and one of ``/metrics`` where that answered), a second at most each, from this machine to itself.
A port that waits for the client to speak first costs that second.
"""

from __future__ import annotations

import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor

import msgspec

from watchkeeper.survey.found import Found, Port, Speaks
from watchkeeper.survey.known import KNOWN

SECONDS = 1.0
MOST_PORTS = 8
"""Of one server so many ports are asked: some open hundreds."""


def ask(found: Found) -> Found:
    """The same server, its ports with what they speak."""
    known = KNOWN.get(found.program)
    first, rest = found.ports[:MOST_PORTS], found.ports[MOST_PORTS:]
    if known and known.asks == "tcp" and known.expect:  # it is known what it speaks, and a stray GET would only fill its log
        return msgspec.structs.replace(found, ports=tuple(msgspec.structs.replace(port, speaks="tcp") for port in found.ports))
    with ThreadPoolExecutor(MOST_PORTS) as pool:
        return msgspec.structs.replace(found, ports=(*pool.map(_ask, first), *rest))


def _ask(port: Port) -> Port:
    ways: tuple[Speaks, ...] = ("https", "http") if port.number in {443, 8443} else ("http", "https")
    for way in ways:
        status, _ = _get(port, way, "/")
        if status:
            figures, page = _get(port, way, "/metrics")
            has_figures = figures == 200 and (b"\n# TYPE " in b"\n" + page or b"\n# HELP " in b"\n" + page)
            return msgspec.structs.replace(port, speaks=way, status=status, metrics="/metrics" if has_figures else "")
    return msgspec.structs.replace(port, speaks="tcp")


def _get(port: Port, way: Speaks, path: str) -> tuple[int, bytes]:
    """Status and the beginning of the body; 0 when what came back is no HTTP."""
    if way == "https":
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE  # asked by address, and only what it speaks
        line: http.client.HTTPConnection = http.client.HTTPSConnection(
            port.host, port.number, timeout=SECONDS, context=unverified
        )
    else:
        line = http.client.HTTPConnection(port.host, port.number, timeout=SECONDS)
    try:
        line.request("GET", path, headers={"User-Agent": "watchkeeper-init", "Connection": "close"})
        answer = line.getresponse()
        # What is no HTTP may begin with a number too; a server of TLS answers plain text with 400.
        if way == "http" and answer.status == 400 and b"HTTPS" in (body := answer.read(4096)):
            return 0, body
        return answer.status, answer.read(65536) if answer.status == 200 else b""
    except (OSError, http.client.HTTPException, ValueError):
        return 0, b""
    finally:
        line.close()
