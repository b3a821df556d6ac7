"""Questions that the kernel may leave without an answer: each in a daemon thread of its own, one a subject.

The event loop's own threads are few, and names are resolved, logs rotated and evidence is kept in them: a look at a file
system that hangs, taken there, would in the end hold up every server. Here nothing is lost but the thread itself.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Aside:
    """Questions that are under way, by their subject."""

    def __init__(self) -> None:
        self._open: dict[Hashable, Future[Any]] = {}

    @property
    def unanswered(self) -> int:
        """How many have no answer yet."""
        return len(self._open)

    async def ask(self, subject: Hashable, work: Callable[[], Answer]) -> Answer:
        """What `work` returns or raises; OSError where no thread can be had. The caller bounds the time.

        While an earlier question on this `subject` is without an answer no other is asked: that one's answer is given.
        """
        future: Future[Answer] | None = self._open.get(subject)
        if future is None:
            future = self._open[subject] = Future()
            future.set_running_or_notify_cancel()  # whoever gives up waiting ends nothing
            thread = threading.Thread(target=self._work, args=(subject, work, future), name=f"aside: {subject}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                del self._open[subject]
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        return await asyncio.wrap_future(future)

    def _work(self, subject: Hashable, work: Callable[[], Answer], future: Future[Answer]) -> None:
        try:
            answer = work()
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is whose who asked
            del self._open[subject]
            future.set_exception(fault)
        else:
            del self._open[subject]
            future.set_result(answer)
