"""What the hub keeps and what watching costs, from its own figures."""

from __future__ import annotations

from watchkeeper.model import Series


async def test_costs_come_from_the_programs_own_figures(web) -> None:
    """CPU is the mean of the last minutes, memory the newest; what nobody tells of is not there."""
    now = web.desk.now()
    for second in range(60):
        at = now - (60 - second) * 1000
        web.desk.store.put(web.series("watchkeeper_agent_cpu_seconds_total"), at, 100 + second * 0.02)
        hub = Series("watchkeeper_hub_cpu_seconds_total", (("machine", "_hub"),))
        web.desk.store.put(hub, at, second * 0.25)
    web.desk.store.put(web.series("watchkeeper_agent_resident_memory_bytes"), now, 20e6)
    async with web.client() as client:
        told = (await client.get("/api/upkeep")).json()
    hub, agent = told["costs"]
    assert (hub["program"], hub["machine"], round(hub["cpu_ratio"], 3), hub["memory_bytes"]) == ("hub", "_hub", 0.25, None)
    assert (agent["machine"], round(agent["cpu_ratio"], 3), agent["memory_bytes"]) == ("alpha", 0.02, 20e6)
    assert told["retention"]["raw"] == 90 * 86400
    assert told["loopback"] is True
