"""Telling, with the real hub: a channel is tested, a heartbeat is missed, and no secret is anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx

from rigs.programs import until

WORDS = ("T0SECRET-path", "p4ss-word", "h3ader-word", "s1gning-word", "m4il-word", "uu1d-of-ours")
"""Secrets, one for each place in which one may stand."""

CONFIG = """
[channel.chat]
kind = "slack"
url = {{ file = "{folder}/chat" }}
[channel.hook]
kind = "webhook"
url = "http://127.0.0.1:{sink}/hook"
secret = {{ file = "{folder}/sign" }}
headers = {{ X-Token = {{ file = "{folder}/header" }} }}
[channel.app]
kind = "apprise"
url = {{ file = "{folder}/app" }}
[channel.mail]
kind = "email"
host = "127.0.0.1"
port = {sink}
security = "none"
sender = "w@example.org"
to = ["a@example.org"]
username = "watch"
timeout = "1s"
password = {{ file = "{folder}/mail" }}
[heartbeat]
url = {{ file = "{folder}/beat" }}
period = "1s"
[expected.job]
period = "1s"
grace = "1s"
"""


class Echo(BaseHTTPRequestHandler):
    """A careless program: it refuses everything and quotes what it was sent."""

    def do_POST(self) -> None:  # the library's name
        """Quote it."""
        said = f"{self.path} {dict(self.headers)}".encode()
        self.send_response(500)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_HEAD = do_POST  # noqa: N815  # the library's name

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[int]:
    """A careless program; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_no_secret_is_anywhere(programs, tmp_path: Path) -> None:
    """In no log, event, answer of the API, figure, file of the data folder or output, though receivers quote them."""
    with echo() as sink:
        secrets = {
            "chat": f"http://127.0.0.1:{sink}/services/{WORDS[0]}",
            "app": f"json://watch:{WORDS[1]}@127.0.0.1:{sink}/x",
            "header": WORDS[2],
            "sign": WORDS[3],
            "mail": WORDS[4],
            "beat": f"http://127.0.0.1:{sink}/ping/{WORDS[5]}",
        }
        for name, text in secrets.items():
            (tmp_path / name).write_text(text)
        hub = programs(CONFIG.format(folder=tmp_path, sink=sink))
        hub.hub()
        until(lambda: hub.ask("/readyz"), "the hub")
        told = hub.run("channel", "test", "--all")
        assert told.returncode == 1
        assert told.stderr.count("not delivered") == 4
        shown = told.stdout + told.stderr
        for words in (("channel", "list"), ("events", "-n", "100"), ("heartbeat", "list"), ("channel", "list", "--json")):
            done = hub.run(*words)
            shown += done.stdout + done.stderr
        shown += hub.run("config", "show", "--config", str(hub.config)).stdout
        for path in ("/api/channels", "/api/notifications", "/api/events?limit=100", "/metrics", "/api/heartbeats"):
            answer = hub.ask(path)
            assert answer is not None
            shown += answer.text
        shown += hub.said()
        kept = b"".join(file.read_bytes() for file in hub.data.rglob("*") if file.is_file())
        for word in WORDS:
            assert word not in shown, word
            assert word.encode() not in kept, word
        assert "\u2022\u2022\u2022" in shown or "•••" in shown, "they were quoted, and hidden"
        assert "file = " in shown, "the references are shown"


def test_a_missed_heartbeat_is_an_event_and_a_figure(programs) -> None:
    """The real hub's address takes it; what does not come is told at its instant and known to PromQL."""
    hub = programs('[expected.job]\nperiod = "1s"\ngrace = "1s"\n')
    hub.hub()
    until(lambda: hub.ask("/readyz"), "the hub")
    (job,) = json.loads(hub.run("heartbeat", "list", "--json").stdout)
    assert httpx.get(job["url"]).text == "OK"

    def events() -> list[str]:
        answer = hub.ask("/api/events?limit=100")
        return [event["kind"] for event in answer.json()["events"] if event["kind"].startswith("heartbeat")] if answer else []

    until(lambda: events()[:1] == ["heartbeat_down"], "the event")
    assert events()[:3] == ["heartbeat_down", "heartbeat_late", "heartbeat_up"], "newest first"

    def figure() -> bool:
        answer = hub.ask('/api/v1/query?query=watchkeeper_heartbeat_up{heartbeat="job"}')
        found = answer.json()["data"]["result"] if answer else []
        return bool(found) and found[0]["value"][1] == "0"

    until(figure, "the figure")


def test_a_hub_that_is_well_says_so_outside(programs) -> None:
    """The whole way: a rule that always fires is judged, and the dead man's switch hears that all is well, again and again."""
    heard: list[str] = []

    class Outside(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Outside) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        beat = f'[heartbeat]\nurl = "http://127.0.0.1:{server.server_address[1]}/ping/abc"\nperiod = "1s"\n'
        one = programs(f"{beat}[witness]\ntargets = []\n")
        one.hub()
        until(lambda: heard.count("/ping/abc") >= 3, "that it is well", 120)
        assert heard[0] == "/ping/abc/start"
        assert "/ping/abc/fail" not in heard
        server.shutdown()
