"""The last hour of all machines: what is busy is high, what is silent has no value, and all readers share one reading."""

from __future__ import annotations

from watchkeeper.web.sparks import SPAN, STEP, sparks


def fill(web, now: int, busy: float) -> None:
    """An hour of two processors of machine alpha, each idle for what is left; ten minutes of it are missing."""
    for second in range(0, 3600, 10):
        if 1200 <= second < 1800:
            continue
        at = now - SPAN + second * 1000
        for cpu in ("0", "1"):
            web.desk.store.put(web.series("node_cpu_seconds_total", cpu=cpu, mode="idle"), at, second * (1 - busy))


async def test_busy_is_high_and_silence_has_no_value(web) -> None:
    """The share of time that was not idle, over all processors; a gap stays a gap."""
    now = web.desk.now() // STEP * STEP
    fill(web, now, 0.75)
    line = sparks(web.desk.store, now).machines["alpha"]
    assert len(line) == SPAN // STEP
    known = [one for one in line if one is not None]
    assert all(abs(one - 0.75) < 0.01 for one in known)
    assert line[12] is None


async def test_it_is_read_once_for_all(web) -> None:
    """A second reader within the minute gets the same, without a question to the store."""
    fill(web, web.desk.now(), 0.5)
    async with web.client() as client:
        first = (await client.get("/api/sparks")).json()
        web.desk.store._columns.clear()
        assert (await client.get("/api/sparks")).json() == first
    assert "alpha" in first["machines"]
