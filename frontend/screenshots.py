"""Make pictures of every page, light and dark, wide and on a phone, of a real hub that watches real servers.

    python3 dev.py screenshots                 start the demonstration, wait for it to have something to show, shoot all pages
    python3 dev.py screenshots overview rules  only these
    python3 dev.py screenshots --keep          leave the hub running afterwards until Ctrl-C, and print a link to it
    python3 dev.py screenshots --for-readme    also put the chosen few into docs/images

The pictures go to build/screenshots. Servers: the quick start's Cloud Server, one that answers, one that ends again and
again, one that hangs. A receiver on this machine takes the messages. Chromium is the system's own.
"""

# ruff: noqa: INP001, T201, S310 - a script beside the page's source, run by dev.py; it asks its own hub alone

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, Page, async_playwright

HOME = Path(__file__).resolve().parent.parent
OUT = HOME / "build" / "screenshots"
DOCS = HOME / "docs" / "images"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 150.0
SETTLE = 1.2
"""Seconds that a page has to draw what it shows."""
MATURE = 75.0
"""Seconds that the demonstration runs before the first picture, so that charts have something to show."""

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "incident": "/incidents/{incident}",
    "machines": "/machines",
    "machine": "/machines/shop-1",
    "machine-instant": "/machines/shop-1?at={instant}",
    "server": "/machines/edge-1/servers/worker",
    "server-cloud": "/machines/shop-1/servers/cloud",
    "events": "/events",
    "explore": "/explore?q=sum+by+(mode)+(rate(node_cpu_seconds_total%5B1m%5D))&range=10m",
    "rules": "/rules",
    "channels": "/channels",
    "drills": "/drills",
    "stress": "/stress",
    "more": "/more",
}
README = {
    "overview-light": "overview.png",
    "machine-dark": "machine-dark.png",
    "incident-light": "incident.png",
    "incident-phone": "incident-phone.png",
}

SHOP_1 = """
[agent]
period = "1s"

[server.cloud]
command = ["cloud-server", "--listen", "127.0.0.1:{cloud}", "--metrics", "127.0.0.1:{figures}", "--data", "{folder}/cloud"]
stress = true

[[server.cloud.probe]]
kind = "http"
url = "http://127.0.0.1:{figures}/readyz"
period = "2s"

[[server.cloud.metrics]]
url = "http://127.0.0.1:{figures}/metrics"

[server.web]
command = ["{python}", "{folder}/shop.py", "{web}"]

[[server.web.probe]]
kind = "http"
url = "http://127.0.0.1:{web}/"
period = "2s"

[channel.phone]
kind = "webhook"
url = "http://127.0.0.1:{receiver}/"

[witness]
targets = []

[route]
group_wait = "1s"

[[rule]]
alert = "QueueLong"
expr = 'process_threads{{server="web"}} > 0'
for = "5s"
severity = "warning"
why = "Orders wait longer than people do."
first = "See which worker is slow, and add one."
annotations = {{ summary = "Orders queue up at web on {{{{ $labels.machine }}}}" }}
"""

EDGE_1 = """
[agent]
period = "1s"
hub = "{hub}"
token = {{ file = "{data}/link-token" }}

[server.worker]
command = ["{python}", "{folder}/worker.py"]
"""

DB_1 = """
[agent]
period = "1s"
hub = "{hub}"
token = {{ file = "{data}/link-token" }}

[server.billing]
command = ["{python}", "{folder}/shop.py", "{billing}", "mute"]

[[server.billing.probe]]
kind = "http"
url = "http://127.0.0.1:{billing}/"
period = "2s"
timeout = "1s"

[server.ledger]
command = ["{python}", "{folder}/shop.py", "{ledger}"]
"""
"""Three machines, each an agent of its own with a name of its own."""

SHOP = """
import datetime, http.server, itertools, random, sys, threading, time
mute = sys.argv[2:] == ["mute"]
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if mute: time.sleep(30)
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
def talk():
    for order in itertools.count(4711):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        level = random.choices(["INFO", "WARNING"], [9, 1])[0]
        print(f"{now} {level} order {order} took {random.lognormvariate(3, .5):.0f} ms", flush=True)
        sum(n * n for n in range(random.randrange(200_000)))
        time.sleep(random.uniform(.2, .9))
threading.Thread(target=talk, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""

WORKER = """
import datetime, sys, time
say = lambda text: print(datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"), text, flush=True)
say("INFO taking jobs")
kept = []
for job in range(14):
    kept.append(bytearray(3 << 20)); say(f"INFO job {job} done"); time.sleep(.7)
say("ERROR database refused the connection"); sys.exit(3)
"""


class Demo(NamedTuple):
    """A hub that runs: where, and how it is asked."""

    url: str
    token: str


class _Receiver(BaseHTTPRequestHandler):
    """Takes messages and says thanks."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def demonstration() -> Iterator[Demo]:
    """The hub, its agents and their servers, from nothing, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-demo-") as name, contextlib.ExitStack() as started:
        folder = Path(name)
        (folder / "shop.py").write_text(SHOP, encoding="utf-8")
        (folder / "worker.py").write_text(WORKER, encoding="utf-8")
        receiver = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        started.callback(receiver.shutdown)
        port, data = free_port(), folder / "data"
        words = {
            "folder": folder,
            "data": data,
            "hub": f"http://127.0.0.1:{port}",
            "python": sys.executable,
            "receiver": receiver.server_address[1],
            **{word: free_port() for word in ("cloud", "figures", "web", "billing", "ledger")},
        }
        for machine, text in (("shop-1", SHOP_1), ("edge-1", EDGE_1), ("db-1", DB_1)):
            (folder / f"{machine}.toml").write_text(text.format(**words), encoding="utf-8")
        url = str(words["hub"])
        hub = started.enter_context(program("shop-1", folder, "up", "--data", data, "--listen", f"127.0.0.1:{port}"))
        until = time.monotonic() + 60
        while not answers(url):
            if hub.poll() is not None or time.monotonic() > until:
                raise SystemExit((folder / "shop-1.log").read_text(encoding="utf-8", errors="replace"))
            time.sleep(0.2)
        for machine in ("edge-1", "db-1"):
            started.enter_context(program(machine, folder, "agent", "--data", folder / machine))
        yield Demo(url, (data / "token").read_text(encoding="utf-8").strip())


@contextlib.contextmanager
def program(machine: str, folder: Path, verb: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """One of our programs, on a machine of this name: a UTS namespace gives it one, where we may make such."""
    command = [sys.executable, "-m", "watchkeeper", verb, "--config", folder / f"{machine}.toml", *arguments]
    if shutil.which("unshare") and hasattr(os, "geteuid") and os.geteuid() == 0:
        command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', machine, *command]
    with (folder / f"{machine}.log").open("wb") as log:
        environment = os.environ | {"PYTHONPATH": str(HOME / "src")}
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def answers(url: str) -> bool:
    """Whether the hub is ready."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def asked(demo: Demo, path: str, body: object = None) -> Any:
    """Ask the hub's API, as its own command line would."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {demo.token}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(demo.url + path, data, headers), timeout=40) as answer:
        return json.loads(answer.read() or b"null")


def stage(demo: Demo) -> dict[str, str]:
    """Wait for the incidents to open, and do what people do; returns what pages are named by."""
    began = time.monotonic()
    about: dict[str, dict[str, Any]] = {}
    while not {"shop-1", "edge-1", "db-1"} <= set(about) or time.monotonic() - began < MATURE:
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"after {PATIENCE:.0f} s there is too little to show: {about}")
        time.sleep(1)
        about = {one["machine"]: one for one in asked(demo, "/api/incidents?state=ongoing")["incidents"]}
    taken = about["shop-1"]["id"]
    asked(demo, f"/api/incidents/{taken}/acknowledge", {})
    asked(demo, f"/api/incidents/{taken}/comments", {"text": "The sale has begun; two more workers are on their way."})
    asked(demo, "/api/marks", {"text": "Version 2.4 rolled out", "machine": "edge-1"})
    return {"incident": about["edge-1"]["id"], "instant": str(round((time.time() - 60) * 1000))}


async def shoot(browser: Browser, demo: Demo, names: dict[str, str], wanted: list[str]) -> list[Path]:
    """All wanted pages in all four ways."""
    made: list[Path] = []
    link = asked(demo, "/api/sign-in-links", {})["url"]
    for way, size, scheme in (
        ("light", DESKTOP, "light"),
        ("dark", DESKTOP, "dark"),
        ("phone", PHONE, "light"),
        ("phone-dark", PHONE, "dark"),
    ):
        context = await browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1)  # type: ignore[arg-type]  # its stub wants a TypedDict
        page = await context.new_page()
        await page.goto(link)
        await page.locator(".freshness.live").wait_for()
        for name in wanted:
            await page.goto(demo.url + PAGES[name].format(**names))
            made.append(await picture(page, f"{name}-{way}"))
        await context.close()
        link = asked(demo, "/api/sign-in-links", {})["url"]
    return made


async def picture(page: Page, name: str) -> Path:
    """One picture, once the page is live and drawn."""
    await page.locator(".freshness.live").wait_for()
    await asyncio.sleep(SETTLE)
    file = OUT / f"{name}.png"
    await page.screenshot(path=file)
    await page.screenshot(path=OUT / f"{name}.full.png", full_page=True)
    return file


async def work(arguments: argparse.Namespace) -> None:
    """Start, stage, shoot."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
    if not program:
        raise SystemExit("no Chromium is installed here: apt install chromium")
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = arguments.pages or list(PAGES)
    with demonstration() as demo:
        print(f"{demo.url}: waiting for something to show …", flush=True)
        names = await asyncio.to_thread(stage, demo)
        async with async_playwright() as playwright:
            sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
            browser = await playwright.chromium.launch(executable_path=program, args=sandbox)
            made = await shoot(browser, demo, names, wanted)
            await browser.close()
        if arguments.for_readme:
            for name, target in README.items():
                shutil.copyfile(OUT / f"{name}.png", DOCS / target)
        print(f"{len(made)} pages shot into {OUT.relative_to(HOME)}")
        while arguments.keep:
            print(asked(demo, "/api/sign-in-links", {})["url"], flush=True)
            await asyncio.sleep(1800)


def main() -> int:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description="Make pictures of the dashboard's pages.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)}")
    parser.add_argument("--keep", action="store_true", help="leave the hub running")
    parser.add_argument("--for-readme", action="store_true", help="put the chosen few into docs/images")
    arguments = parser.parse_args()
    if unknown := set(arguments.pages) - set(PAGES):
        parser.error(f"no such page: {', '.join(sorted(unknown))}")
    asyncio.run(work(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
