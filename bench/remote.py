"""Remote write, both ways: CPU a million samples of taking what others send, and of handing on what the log has.

Twenty targets of 500 series each, one sample of a series in a round, requests of 500 samples, a commit for each, as one
Prometheus sends it. Prometheus and VictoriaMetrics take the same bodies; their CPU has HTTP in it, ours has not.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from _noise import Noise, table
from promql import Rival, prometheus, victoria_metrics

from watchkeeper.clock import FakeClock
from watchkeeper.model import Series
from watchkeeper.remote.receiver import Receiver
from watchkeeper.remote.sender import MOST_SAMPLES, parts
from watchkeeper.remote.writing import read_request
from watchkeeper.store import FrameStore, StoreSettings, open_store, snappy
from watchkeeper.store.following import Place
from watchkeeper.store.remotewrite import field, frame, labels, layout, varint
from watchkeeper.store.rolling import Floats

BEGIN = 1_760_000_000_000
TARGETS, SERIES, ROUNDS = 20, 500, 40
SAMPLES = TARGETS * SERIES * ROUNDS


def bodies() -> list[bytes]:
    """A request for each target and round."""
    named = [[labels(one) for one in target(number)] for number in range(TARGETS)]
    made = []
    for tick in range(ROUNDS):
        for number, some in enumerate(named):
            at = BEGIN + 15_000 * tick + 700 * number
            values: Floats = np.arange(SERIES) * 0.5 + tick * 7
            rows = [b"\x09" + value.tobytes() + b"\x10" + varint(at) for value in values]
            plain = b"".join(field(1, text + field(2, row)) for text, row in zip(some, rows, strict=True))
            made.append(snappy.pack(plain))
    return made


def target(number: int) -> list[Series]:
    """Its series, with eight labels each."""
    where = {"environment": "production", "instance": f"10.0.0.{number}:9100", "job": "node", "region": "north", "zone": "a"}
    return [
        Series("some_metric_name_total", tuple(sorted({**where, "device": f"eth{one % 9}", "number": str(one)}.items())))
        for one in range(SERIES)
    ]


def received(store: FrameStore, clock: FakeClock, made: list[bytes]) -> float:
    """CPU seconds of taking all of them."""
    receiver = Receiver(store, lambda: round(clock.wall() * 1000))
    clock.set_wall(BEGIN / 1000 + ROUNDS * 15)
    began = time.process_time()
    for body in made:
        request = read_request(snappy.unpack(body, 1 << 25))
        if fresh := receiver.fresh(request):
            receiver.learn(fresh)
        receiver.take(request)
        store.commit_now()
    assert receiver.tally.samples == SAMPLES
    return time.process_time() - began


def handed_on(store: FrameStore) -> float:
    """CPU seconds of reading the log and making bodies of it."""
    follower = store.follow(Place(0, 0), 1 << 40)
    written = cache(lambda number: layout(store.layout(number)))
    began = time.process_time()
    while entries := (found := follower.read(MOST_SAMPLES))[0]:
        for part in parts(entries, MOST_SAMPLES):
            snappy.pack(b"".join(frame(written(one.layout), one.at, one.values) for one in part))
        follower.place = found[1]
    return time.process_time() - began


def taken(rival: Rival, made: list[bytes]) -> float:
    """CPU seconds of a rival that takes all of them."""
    before = rival.cpu()
    for body in made:
        rival.ask("POST", "/api/v1/write", body, "application/x-protobuf")
    rival.settle()
    return rival.cpu() - before


def main() -> None:
    noise = Noise()
    made = bodies()
    with tempfile.TemporaryDirectory(prefix="wk-bench-") as name, contextlib.ExitStack() as ending:
        folder = Path(name)
        clock = FakeClock(wall=BEGIN / 1000)
        store = open_store(folder / "store", StoreSettings(), clock)
        ending.callback(store.close)
        costs = {"Watchkeeper takes": received(store, clock, made)}
        noise.look()
        costs["Watchkeeper hands on"] = handed_on(store)
        noise.look()
        for what, rival in (
            ("Prometheus takes", prometheus(folder / "prometheus")),
            ("VictoriaMetrics takes", victoria_metrics(folder / "victoria")),
        ):
            if rival is not None:
                ending.callback(rival.close)
                costs[what] = taken(rival, made)
        noise.look()
        rows = [[what, f"{cost / SAMPLES * 1e6:.2f}"] for what, cost in costs.items()]
        size = f"{sum(map(len, made)) / SAMPLES:.1f} bytes a sample on the wire"
        table("Remote write, CPU seconds a million samples", ("what", "CPU-s"), rows, f"{size}; {noise}")


if __name__ == "__main__":
    main()
