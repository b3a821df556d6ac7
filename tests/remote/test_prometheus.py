"""A real Prometheus writes to a real hub: both know the same samples, also when the hub is killed in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rigs.programs import Programs, until
from rigs.prometheus import PROGRAM, Prometheus
from watchkeeper.clock import SystemClock
from watchkeeper.model import ABSENT_BITS, NAN_BITS, STALE_BITS, Matcher
from watchkeeper.query.tracks import merged
from watchkeeper.store import StoreSettings, open_store

CONFIG = """
global:
  scrape_interval: 200ms
  external_labels: {{ origin: elsewhere }}
scrape_configs:
  - job_name: itself
    static_configs: [{{ targets: ["127.0.0.1:{{port}}"] }}]
  - job_name: nobody
    static_configs: [{{ targets: ["127.0.0.1:9"] }}]
rule_files: [ "{rules}" ]
remote_write:
  - url: {url}/api/v1/write
    authorization: {{ credentials_file: {token} }}
    queue_config: {{ max_samples_per_send: 173, batch_send_deadline: 100ms, max_backoff: 200ms }}
"""
RULES = """
groups:
  - name: made
    interval: 300ms
    rules:
      - { record: made_not_a_number, expr: vector(NaN) }
      - { record: made_now_and_then, expr: vector(1) and on() (floor(vector(time()) * 2) % 2 == 0) }
"""
Samples = dict[frozenset[tuple[str, str]], dict[int, int]]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Programs]:
    """A hub's programs."""
    if PROGRAM is None:
        pytest.skip("prometheus is not installed (on Debian: apt install prometheus): nothing that writes to us")
    one = Programs(tmp_path, "")
    yield one
    one.close()


@pytest.mark.slow
def test_what_prometheus_knows_so_do_we(hub: Programs, tmp_path: Path) -> None:
    """Its own figures, markers of what has ended and NaN, bit by bit, with the hub killed twice meanwhile."""
    running = hub.hub()
    until(lambda: (hub.data / "write-token").exists() and hub.ask("/readyz"), "the hub")
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    config = CONFIG.format(url=hub.url, token=hub.data / "write-token", rules=rules)
    with Prometheus(tmp_path / "prometheus", config) as prometheus:
        for _ in range(2):
            until(lambda: written(hub) > 2000, "samples")
            running.kill()  # while it is written to
            running.wait()
            time.sleep(0.5)  # some rounds that only Prometheus has
            running = hub.hub()
            until(lambda: hub.ask("/readyz"), "the hub again")
        until(lambda: written(hub) > 2000, "samples after the kill")
        end = round(time.time() * 1000)
        until(lambda: newest(hub) > end / 1000 + 0.5, "everything up to now")
        theirs = prometheus.samples('{__name__!=""}', end - 60_000, end)
    running.terminate()
    assert running.wait(20) == 0
    ours = kept(hub, end - 60_000, end)
    assert len(theirs) > 400
    assert any(STALE_BITS in samples.values() for samples in ours.values())
    assert NAN_BITS in ours[frozenset({("__name__", "made_not_a_number"), ("origin", "elsewhere")})].values()
    assert differences(theirs, ours) == []


def written(hub: Programs) -> float:
    """Samples that this hub has taken since its start."""
    return figure(hub, "watchkeeper_remote_received_samples_total")


def newest(hub: Programs) -> float:
    """The time of the newest sample of Prometheus' own scrape."""
    answer = hub.ask("/api/series?match=prometheus_build_info")
    return max((one["at"] / 1000 for one in answer.json()), default=0.0) if answer else 0.0


def figure(hub: Programs, name: str) -> float:
    """One of the hub's own figures."""
    answer = hub.ask("/metrics")
    lines = answer.text.splitlines() if answer else []
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0.0)


def kept(hub: Programs, start: int, end: int) -> Samples:
    """Every sample that came from elsewhere, as bits."""
    store = open_store(hub.data / "store", StoreSettings(), SystemClock())
    found: Samples = {}
    for block in merged(store.select([Matcher("origin", "=", "elsewhere")], start, end)):
        bits = np.ascontiguousarray(block.values).view(np.int64)
        for column, one in enumerate(block.series):
            labels = frozenset({("__name__", one.name), *one.labels})
            there = bits[:, column] != ABSENT_BITS
            found[labels] = dict(zip(block.times[there].tolist(), bits[there, column].tolist(), strict=True))
    store.close()
    return found


def differences(theirs: dict[frozenset[tuple[str, str]], dict[int, float]], ours: Samples) -> list[object]:
    """Series and samples that are not the same; the API tells no stale markers."""
    wrong: list[object] = []
    for labels, samples in theirs.items():
        mine = ours.get(labels | {("origin", "elsewhere")}, {})
        plain = {at: bits for at, bits in mine.items() if bits != STALE_BITS}
        expected = {at: int(np.float64(value).view(np.int64)) if value == value else NAN_BITS for at, value in samples.items()}  # noqa: PLR0124  # NaN is told as NaN
        if plain != expected:
            wrong.append((sorted(labels), sorted(set(expected) ^ set(plain))[:4], len(expected), len(plain)))
    return wrong
