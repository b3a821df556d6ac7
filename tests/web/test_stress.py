"""Stress runs over the API: listed, started, followed, ended and read; on the timeline; and who may do what."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rigs.desk import lab_of
from watchkeeper.model import EventKind
from watchkeeper.stress.hubside.lab import StressSecond
from watchkeeper.stress.hubside.launching import StressStart, words
from watchkeeper.stress.record import Recording
from watchkeeper.stress.run import Ended, Run, Stage
from watchkeeper.web.shapes import StressNews
from watchkeeper.web.stress_shapes import StressAnnouncement, StressProgress

STARTED = StressAnnouncement("started", "20260101-1", "capacity", "ws://127.0.0.1:8765", "alpha", "web")
JSON = {"content-type": "application/json"}
ANNOUNCE, PROGRESS = "/api/stress/announcements", "/api/stress/progress"


def second(number: int, done: int = 90) -> StressSecond:
    """A second of a run."""
    return StressSecond(number, 2, "steps 100/s", "steps", 100, done, 100 - done, 0.001, 0.002, None, 20)


def recorded(folder: Path, run: str = "20260101-1", **more: object) -> Recording:
    """A run on disk, with one stage."""
    found = Recording(folder, "name = 'x'\n", Run(run, "capacity", "http", "http://127.0.0.1:1/", 1000, **more))
    found.begin(Stage(0, 0, "constant", "constant 10/s", 5.0), 0.0)
    found.end(Ended(0, 0.0, 5.0, done=50))
    (found.folder / "report.html").write_text("<html><script>1</script></html>")
    return found


async def test_a_run_is_on_the_timeline(web) -> None:
    """Its beginning, its phases and its end, with plan, target and verdict, for the server that it loads."""
    async with web.client() as client:
        for said in (
            STARTED,
            msgspec.structs.replace(STARTED, what="phase", phase="overload begins"),
            msgspec.structs.replace(STARTED, what="ended", outcome="pass"),
        ):
            assert (await client.post(ANNOUNCE, content=msgspec.json.encode(said), headers=JSON)).status_code == 201
        events = (await client.get("/api/events", params={"server": "web"})).json()["events"]
    assert [event["kind"] for event in events] == [
        EventKind.STRESS_ENDED,
        EventKind.STRESS_PHASE,
        EventKind.STRESS_STARTED,
    ]
    assert events[0]["text"] == "The stress run 20260101-1 on web is over: pass"
    assert events[1]["text"] == "The stress run 20260101-1 on web: overload begins"
    assert events[2]["severity"] == "warning"
    assert events[2]["facts"] == {"run": "20260101-1", "plan": "capacity", "target": "ws://127.0.0.1:8765", "by": "local"}


async def test_a_stranger_may_do_nothing(web) -> None:
    """Nobody who is not signed in may say, start or end anything; and nothing malformed."""
    async with web.stranger() as client:
        for path in (ANNOUNCE, PROGRESS, "/api/stress/runs", "/api/stress/runs/x/abort"):
            assert (await client.post(path, content=msgspec.json.encode(STARTED), headers=JSON)).status_code == 401
        for path in ("plans", "targets", "runs", "runs/x", "runs/x/progress", "runs/x/files/report.html"):
            assert (await client.get(f"/api/stress/{path}")).status_code == 401
    async with web.client() as client:
        answer = await client.post(ANNOUNCE, content=b'{"what": "exploded"}', headers=JSON)
        assert answer.status_code == 400


async def test_a_run_is_followed_its_figures_are_frames_and_it_hears_who_wants_it_ended(web) -> None:
    """Seconds come back from where one has read to; each is a frame of the server; the abort is in the next answer."""
    with web.desk.changes.listen() as listener:
        async with web.client() as client:
            await client.post(ANNOUNCE, content=msgspec.json.encode(STARTED), headers=JSON)
            told = StressProgress(STARTED.run, (second(1), second(2, 70)), ("steps 100/s: holds",))
            answer = await client.post(PROGRESS, content=msgspec.json.encode(told), headers=JSON)
            assert answer.json() == {"ended_by": ""}
            await client.post(PROGRESS, content=msgspec.json.encode(told), headers=JSON)  # told twice counts once
            followed = (await client.get(f"/api/stress/runs/{STARTED.run}/progress", params={"since": 1})).json()
            assert [one["second"] for one in followed["seconds"]] == [2]
            assert followed["view"]["going"] is True
            (run,) = (await client.get("/api/stress/runs")).json()
            assert (run["state"], run["by"], run["recorded"]) == ("running", "local", False)
            assert (await client.post(f"/api/stress/runs/{STARTED.run}/abort", headers=JSON)).status_code == 200
            answer = await client.post(PROGRESS, content=msgspec.json.encode(StressProgress(STARTED.run)), headers=JSON)
            assert answer.json() == {"ended_by": "local"}
            ended = msgspec.structs.replace(STARTED, what="ended", outcome="aborted: local has ended it")
            await client.post(ANNOUNCE, content=msgspec.json.encode(ended), headers=JSON)
            assert (await client.post(f"/api/stress/runs/{STARTED.run}/abort", headers=JSON)).status_code == 409
        batch = await listener.wait_batch()
    frames = web.desk.frames
    assert [frame.at for _, _, frame in frames[:2]] == [frames[0][2].at, frames[0][2].at + 1000]
    values = dict(zip((one.text() for one in frames[1][1].series), np.frombuffer(frames[1][2].values), strict=True))
    assert values['watchkeeper_stress_done_per_second{machine="alpha",plan="capacity",server="web"}'] == 70
    last = dict(zip((one.name for one in frames[-1][1].series), np.frombuffer(frames[-1][2].values), strict=True))
    assert last["watchkeeper_stress_running"] == 0
    assert len(frames) == 3
    assert web.desk.stressed == [STARTED.run] * 4
    assert {one.by: one.what for one in await web.desk.journal.audit.newest()}["local"] in {"abort-stress", "sign-in"}
    assert batch.stress == () or isinstance(batch.stress[0], StressNews)


async def test_what_nobody_has_announced_is_not_followed(web) -> None:
    """A run that a restarted hub has forgotten says so again and goes on."""
    async with web.client() as client:
        told = msgspec.json.encode(StressProgress(STARTED.run, (second(7),)))
        answer = await client.post(PROGRESS, content=told, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-run")
        again = msgspec.structs.replace(STARTED, what="again", phase="it goes on")
        await client.post(ANNOUNCE, content=msgspec.json.encode(again), headers=JSON)
        assert (await client.post(PROGRESS, content=told, headers=JSON)).status_code == 200


async def test_a_record_is_listed_and_read_and_its_report_is_of_nobodys_origin(web, tmp_path: Path) -> None:
    """Run, stages and files; the page's scripts may ask the hub for nothing; nothing beside the folder is handed out."""
    web.desk.lab = lab_of(tmp_path, web.desk)
    recorded(tmp_path / "stress", state="done", verdict="pass").close()
    (tmp_path / "stress" / "secret.json").write_text("{}")
    (tmp_path / "stress" / "20260101-1" / "link.json").symlink_to(tmp_path / "stress" / "secret.json")
    async with web.client() as client:
        (run,) = (await client.get("/api/stress/runs")).json()
        assert (run["id"], run["state"], run["verdict"], run["going"]) == ("20260101-1", "done", "pass", False)
        detail = (await client.get("/api/stress/runs/20260101-1")).json()
        assert detail["stages"][0]["ended"]["done"] == 50
        names = [one["name"] for one in detail["files"]]
        assert "report.html" in names
        assert "link.json" not in names
        page = await client.get("/api/stress/runs/20260101-1/files/report.html")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in page.headers["content-security-policy"]
        for name in ("link.json", "..%2Fsecret.json", "../secret.json", "nothing.html", "run.json.new"):
            assert (await client.get(f"/api/stress/runs/20260101-1/files/{name}")).status_code == 404
        assert (await client.get("/api/stress/runs/..")).status_code == 404


async def test_plans_and_targets_are_listed(web, tmp_path: Path) -> None:
    """The built-in ones and the operator's own; servers that have agreed come first."""
    web.desk.lab = lab_of(tmp_path, web.desk)
    own = tmp_path / "stress" / "plans"
    own.mkdir(parents=True)
    (own / "mine.toml").write_text('name = "mine"\nabout = "Ours."\n[[phase]]\nkind = "smoke"\n')
    (own / "bad.toml").write_text("= no toml")
    web.desk.servers["jobs"] = msgspec.structs.replace(web.desk.servers["jobs"], stress=("http http://127.0.0.1:1/",))
    async with web.client() as client:
        plans = {one["name"]: one for one in (await client.get("/api/stress/plans")).json()}
        targets = (await client.get("/api/stress/targets")).json()
    assert plans["mine"]["phases"] == ["smoke"]
    assert "cannot be read" in plans["bad"]["about"]
    assert "steps" in plans["capacity"]["phases"]
    assert [(one["server"], bool(one["addresses"])) for one in targets] == [("jobs", True), ("web", False)]


PRETENDED = """
import json, os, sys, urllib.request
url, token = sys.argv[1:3]
if "refuse" in sys.argv:
    print("watchkeeper: it does not fit", file=sys.stderr)
    sys.exit(1)
body = {"what": "started", "run": "20260101-9", "plan": "smoke", "target": "t", "pid": os.getpid()}
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url + "/api/stress/announcements", json.dumps(body).encode(), headers))
"""


@pytest.fixture
def started(web, tmp_path: Path):
    """A lab whose program announces a run, or refuses."""

    def make(*more: str) -> None:
        program = tmp_path / "pretended.py"
        program.write_text(PRETENDED)
        web.desk.lab = lab_of(tmp_path, web.desk, (sys.executable, str(program), web.url, web.token, *more))
        web.desk.servers["web"] = msgspec.structs.replace(web.desk.servers["web"], stress=("http http://127.0.0.1:1/",))
        web.desk.changes.status("alpha")  # what was read before a turn is out of date

    return make


async def test_a_run_is_started_as_a_process_of_its_own(web, started) -> None:
    """It announces itself and is known by who had it started; its own refusal is the answer; no consent, no start."""
    ask = json.dumps({"plan": "smoke", "machine": "alpha", "server": "web"})
    async with web.client() as client:
        answer = await client.post("/api/stress/runs", content=ask, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (403, "no-consent")
        started()
        async with asyncio.timeout(30):
            answer = await client.post("/api/stress/runs", content=ask, headers=JSON)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["id"], answer.json()["by"]) == ("20260101-9", "local")
        started("refuse")
        answer = await client.post("/api/stress/runs", content=ask, headers=JSON)
        assert (answer.status_code, answer.json()["why"]) == (409, "it does not fit")
        for wrong in ({"plan": "smkoe"}, {"plan": "../x"}, {"server": "nobody"}, {"machines": ["nobody"]}):
            answer = await client.post("/api/stress/runs", content=json.dumps(json.loads(ask) | wrong), headers=JSON)
            assert answer.status_code == 404, answer.text
    assert ("local", "stress") in {(one.by, one.what) for one in await web.desk.journal.audit.newest()}


def test_what_is_asked_for_becomes_words_and_no_more(tmp_path: Path) -> None:
    """Each key by name; nothing that names a file, and nothing of it is read by a shell."""
    ask = StressStart("smoke", "alpha", "web", connections=5, objectives=("p99 < 1s", "errors < 1%"), max_time=60, seed=3)
    said = words(ask, tmp_path, None)
    assert said[:5] == ["stress", "run", "smoke", "--target", "alpha/web"]
    sets = [said[place + 1] for place, word in enumerate(said) if word == "--set"]
    assert sets == ["connections=5", "seed=3", 'safety.max_time="60s"', 'objectives=["p99 < 1s","errors < 1%"]']
