"""The quick start as it is shipped, on ports and a folder of its own: the Cloud Server kept, probed and shown."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from rigs.programs import Programs, free_port, until

Make = Callable[..., Programs]
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.toml"


def quickstart(make: Make) -> tuple[Programs, int]:
    """The programs on the shipped file, and the port of the server's figures."""
    metrics = free_port()
    text = QUICKSTART.read_text().replace("8765", "{port}").replace("8766", str(metrics)).replace("../cloud-data", "cloud-data")
    return make(text.replace('period = "10s"', 'period = "1s"')), metrics


def well(one: Programs) -> dict[str, object]:
    """The server's status, once every probe has found it well; empty before."""
    status = one.server("cloud")
    probes = status.get("probes")
    assert isinstance(probes, list | None)
    answered = {probe["name"] for probe in probes or () if probe["ok"]}
    return status if status.get("health") == "up" and answered == {"http", "cloud"} else {}


def test_the_cloud_server_is_kept_probed_and_shown(programs: Make) -> None:
    """Both probes answer, its figures have charts and values, and after kill -9 all of it is there again by itself."""
    one, _ = quickstart(programs)
    one.up()
    before = until(lambda: well(one), "the server to be well", 40)
    machine = one.ask("/api/overview").json()["machines"][0]["machine"]["name"]  # type: ignore[union-attr]  # it has answered
    where = f"machine={machine}&server=cloud"

    def panels() -> set[str]:
        """The charts of its own figures."""
        answer = one.ask(f"/api/panels?{where}")
        return {panel["name"] for panel in answer.json()} if answer is not None else set()

    def received() -> bool:
        """Whether the burst of a probe shows in the chart of messages."""
        chart = one.ask(f"/api/charts/cloud_messages?{where}")
        lines = {line["name"]: line["average"] for line in chart.json()["lines"]} if chart is not None else {}
        return any(value for value in lines.get("received", ()) if value)

    until(lambda: {"cloud_clients", "cloud_messages", "cloud_drops"} <= panels(), "its charts")
    until(received, "messages in the chart")
    lost = one.ask('/api/series?match={__name__="probe_cloud_messages_lost"}')
    assert lost is not None
    assert [series["value"] for series in lost.json()] == [0]
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    until(lambda: well(one).get("restarts") == 1, "its successor to be well", 40)


def test_a_port_in_use_is_told_in_the_servers_own_words(programs: Make) -> None:
    """Either port: the event and the reason name it, and once it is free the server comes up by itself."""
    one, metrics = quickstart(programs)
    with socket.create_server(("127.0.0.1", metrics)):
        one.up()
        words = f"cannot listen on 127.0.0.1:{metrics}: Address already in use"
        until(lambda: words in str(one.server("cloud").get("reason")), "the reason", 40)
        assert words in one.run("events").stdout
    until(lambda: well(one), "the server to be well", 60)
