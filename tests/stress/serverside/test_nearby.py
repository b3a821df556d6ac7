"""A target of this machine is found by its port alone, and read: its processes, threads and sockets, the machine, its page."""

from __future__ import annotations

import asyncio
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from rigs.stress import known_server
from watchkeeper.stress.plan import place
from watchkeeper.stress.serverside.figures import split
from watchkeeper.stress.serverside.nearby import Host, Listener, OwnPage
from watchkeeper.stress.serverside.threads import threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")

BUSY = """
import socket, threading
def burn():
    while True:
        pass
threading.Thread(target=burn, name="burner", daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as one:
    print(one.getsockname()[1], flush=True)
    input()
"""


async def test_whoever_listens_is_found_and_read() -> None:
    """Its memory, files and threads are told with its pid, and its sockets by state."""
    with known_server("fixed") as url:
        side = Listener(place(url))
        found = await side.figures()
        side.close()
    told = {split(text)[0]: (split(text)[1], value) for text, value in found.items()}
    labels, memory = told["process_resident_memory_bytes"]
    assert memory > 1 << 20
    assert int(labels["pid"]) != os.getpid()
    assert told["process_open_fds"][1] >= 4
    assert told["process_listen_queue_limit"][1] > 0
    assert {"pid", "tid", "thread"} == set(told["process_thread_cpu_seconds_total"][0])
    assert side.trouble == ""


async def test_a_thread_that_burns_is_told_from_one_that_waits() -> None:
    """Of two threads one uses the processor: its counter rises, the other's does not."""
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        side = Listener(("127.0.0.1", int(process.stdout.readline())))
        used: dict[str, float] = {}
        async with asyncio.timeout(30):
            while max(used.values(), default=0.0) < 0.2:
                await asyncio.sleep(0.05)
                found = await side.figures()
                used = {
                    split(text)[1]["tid"]: value
                    for text, value in found.items()
                    if text.startswith("process_thread_cpu_seconds_total")
                }
        side.close()
        assert len(used) == 2
        assert used[str(process.pid)] < max(used.values())
        assert {one.tid for one in threads(process.pid)} == {int(tid) for tid in used}
    finally:
        process.kill()
        process.communicate()


async def test_one_that_is_started_again_is_found_again() -> None:
    """The pid changes, and what is gone is not told any more."""
    with known_server("fixed") as url:
        side = Listener(place(url))
        before = {split(text)[1]["pid"] for text in await side.figures() if "resident" in text}
    assert await side.figures() == {} or not any("resident" in text for text in await side.figures())
    side.close()
    assert len(before) == 1


async def test_the_machine_is_told_in_few_figures() -> None:
    """Processors, memory, the network's counters: by node_exporter's names, and not its hundreds."""
    side = Host()
    found = await side.figures()
    side.close()
    names = {split(text)[0] for text in found}
    assert {"node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_netstat_TcpExt_ListenOverflows"} <= names
    assert "node_memory_Slab_bytes" not in names


@pytest.fixture
def page() -> Iterator[list[str]]:
    """A page of figures; its first entry is what it says, its second its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if said[0] else 500)
            self.end_headers()
            self.wfile.write(said[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    said = ['cloud_loop_lag_newest_seconds 0.25\nx_bucket{le="1"} 3\n', ""]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said[1] = f"http://127.0.0.1:{server.server_port}/metrics"
    yield said
    server.shutdown()
    server.server_close()


async def test_a_servers_own_page_is_read_and_its_silence_is_no_fault(page: list[str]) -> None:
    """Figures while it answers; nothing, with the reason, while it does not."""
    side = OwnPage(page[1])
    assert await side.figures() == {"cloud_loop_lag_newest_seconds": 0.25}
    page[0] = ""
    assert await side.figures() == {}
    assert "500" in side.trouble
