"""Many short chunks into few long ones: long chunks are smaller and quicker to read.

`plan` is pure and says which neighbours to join; `compact` does it, one transaction each, so that a
crash leaves the old ones or the new one. Joined once they fill a chunk, once there are eight, or once
their file's span is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from watchkeeper.errors import Failed
from watchkeeper.store.chunkfile import Chunk, ChunkFile, NewChunk, Written
from watchkeeper.store.codec import encode
from watchkeeper.store.head import LONGEST
from watchkeeper.store.unpacking import decode

logger = logging.getLogger(__name__)

MANY = 8


def plan(chunks: Sequence[Chunk], *, over: bool) -> list[list[Chunk]]:
    """Which runs of neighbours to join. `chunks`: of one file, by stream and time; `over`: its span has ended."""
    runs: list[list[Chunk]] = []
    run: list[Chunk] = []
    for chunk in chunks:
        fits = run and (chunk.stream, chunk.layout) == (run[0].stream, run[0].layout)
        ticks = sum(one.ticks for one in run)
        if fits and ticks + chunk.ticks <= LONGEST:
            run.append(chunk)
            continue
        full = bool(fits) and ticks >= LONGEST // 2
        if len(run) > 1 and (over or full or len(run) >= MANY):
            runs.append(run)
        run = [chunk] if chunk.ticks < LONGEST else []
    if len(run) > 1 and (over or len(run) >= MANY):
        runs.append(run)
    return runs


def compact(file: ChunkFile, *, over: bool, deadline: float, written: Written | None = None) -> int:
    """Join what `plan` says, until `deadline` (monotonic) but at least once; returns how many joins. Raises Failed.

    `written` hears of each chunk that came of it.
    """
    with file.reading() as reader:
        runs = plan(reader.all(), over=over)
    done = 0
    for run in runs:
        if done and time.monotonic() > deadline:
            break
        try:
            joined = _joined(file, run)
        except Failed as fault:
            logger.debug("chunks of %s stay apart: %s", file.path, fault.why)  # reading tells of the damage, once
            continue
        (row,) = file.put([joined], [chunk.id for chunk in run])
        if written is not None:
            written(row, joined.blob)
        done += 1
    return done


def _joined(file: ChunkFile, run: Sequence[Chunk]) -> NewChunk:
    times, values = [], []
    with file.reading() as reader:
        for chunk in run:
            when, figures = decode(reader.whole(chunk.id))
            times.append(when)
            values.append(figures)
    blob = encode(np.concatenate(times), np.concatenate(values))
    first, last = run[0], run[-1]
    return NewChunk(first.stream, first.layout, first.t0, last.t1, last.upto, sum(chunk.ticks for chunk in run), blob)
