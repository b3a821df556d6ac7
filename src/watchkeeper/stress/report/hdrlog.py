"""The histograms as an HdrHistogram log (format 1.3), which its tools in any language read: a line a second and operation.

Tags are ``OPERATION`` for the latency from the intended start and ``OPERATION/service`` for that from the actual one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from watchkeeper.stress.histogram import unpacked
from watchkeeper.stress.record import Record

_UNFIT = re.compile(r"[,\s\r\n]")


def lines(record: Record) -> Iterator[str]:
    """The log, a line at a time. Interval maxima are in milliseconds, as the format has it; values are nanoseconds."""
    run = record.run
    yield "#[Logged by Watchkeeper: nanoseconds, 3 digits]\n"
    yield "#[Histogram log format version 1.3]\n"
    yield f"#[StartTime: {run.started_at / 1000:.3f} (seconds since epoch)]\n"
    yield f"#[BaseTime: {run.started_at / 1000:.3f} (seconds since epoch)]\n"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    names = {begun.stage.index: begun.stage.excluded for begun, _ in record.stages()}
    for window in record.windows():
        if names.get(window.stage):
            continue
        tag = _UNFIT.sub("_", window.operation) or "connections"
        for written, told in ((window.latency, tag), (window.service, f"{tag}/service")):
            if written:
                longest = unpacked(written).longest / 1e6
                yield f"Tag={told},{window.second}.000,1.000,{longest:.3f},{base64.b64encode(written).decode()}\n"
