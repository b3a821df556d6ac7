"""The program's log: a line for each event, but of one kind no more than a disk can bear and somebody can read.

What strangers do is logged, so strangers must not be able to fill the disk. Lines never hold a body, nor the secret half of a
key. Every event has its counter on the page of figures, also those whose lines were left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from cloudnet.limits import Bucket

logger = logging.getLogger(__name__)

PER_SECOND = 2.0
"""Lines of one kind a second on the average,"""
AT_ONCE = 50.0
"""and so many at once."""


class Thrift(logging.Filter):
    """Lets through so many lines of each kind; the next one that gets through tells how many did not.

    A kind is a line's text without its values: there are as many as the program has lines that log.
    """

    def __init__(
        self, per_second: float = PER_SECOND, at_once: float = AT_ONCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` in seconds."""
        super().__init__()
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        kind, now = str(record.msg), self._clock()
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = Bucket(self._per_second, self._at_once, now)
        if bucket.take(1, now):
            bucket.take(-1, now)  # what is not written costs nothing
            self._left_out[kind] += 1
            return False
        if left_out := self._left_out.pop(kind, 0):
            record.msg = f"{kind} ({left_out} more like this were left out)"
        return True


class Json(logging.Formatter):
    """A line as one JSON object, for programs: when, how bad, which event (its text without values), its text, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        shown: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "room": record.name,
            "event": str(record.msg),
            "text": record.getMessage(),
        }
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return json.dumps(shown, ensure_ascii=False)


def of_the_loop(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody has caught; an exception handler of event loops.

    Their own logs each as a kind of its own, with the names of sockets and memory in it. What breaks a stranger's connection
    is that one's doing, and counted where it is ended.
    """
    fault = context.get("exception")
    kind = fault if isinstance(fault, type) else type(fault)  # aiofastnet gives a class where OpenSSL has no more to say
    if "transport" in context and issubclass(kind, OSError):
        logger.debug("a connection broke: %s: %s", context.get("message"), fault)
        return
    logger.error(
        "the event loop: %s: %s", context.get("message"), fault, exc_info=fault if isinstance(fault, BaseException) else None
    )


def begin(level: str, form: str = "text") -> None:
    """Log to stderr from `level` (``info``) on, as ``text`` or ``json``, with thrift."""
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(Json() if form == "json" else plain)
    output.addFilter(Thrift())
    logging.basicConfig(level=level.upper(), handlers=[output])
