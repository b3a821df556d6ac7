"""The doctor finds what is wrong, says what to do, and tells strangers nothing that they need not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchkeeper.doctor import EXAMINATIONS, examine, fleet, folder, machine, telling
from watchkeeper.doctor.finding import Finding, Patient, redact
from watchkeeper.errors import Failed


def sheet(findings: Any) -> dict[str, Finding]:
    """Findings by name."""
    return {one.name: one for one in findings}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder as a hub leaves it."""
    place = tmp_path / "data"
    place.mkdir(mode=0o700)
    (place / "token").write_text("x" * 40)
    (place / "token").chmod(0o600)
    return place


def test_a_sound_folder_passes(data: Path) -> None:
    """Rights, secrets, a synced write, room: all pass; a folder without a journal is told as not examined."""
    found = sheet(folder.examine(Patient(data, None)))
    assert {name: one.result for name, one in found.items()} == {
        "configuration": "pass",
        "data folder": "pass",
        "tokens": "pass",
        "disk": found["disk"].result,  # a slow disk here would be a warning, and rightly so
        "room": found["room"].result,
        "journal": "skip",
    }


def test_what_others_can_read_or_change_is_told_with_a_remedy(data: Path, tmp_path: Path) -> None:
    """An open folder, an open token, a configuration that everybody may change."""
    data.chmod(0o755)
    (data / "token").chmod(0o644)
    config = tmp_path / "c.toml"
    config.touch()
    config.chmod(0o666)
    found = sheet(folder.examine(Patient(data, config)))
    assert (found["data folder"].result, found["data folder"].remedy) == ("warn", f"chmod 700 {data}")
    assert (found["tokens"].result, found["tokens"].remedy) == ("fail", f"chmod 600 {data / 'token'}")
    assert found["configuration"].result == "fail"


def test_a_damaged_journal_is_found(data: Path) -> None:
    """Bytes that are no database, and a missing folder, are failures and no traceback."""
    (data / "journal.db").write_bytes(b"not a database" * 100)
    assert sheet(folder.examine(Patient(data, None)))["journal"].result == "fail"
    assert sheet(folder.examine(Patient(data / "nowhere", None)))["data folder"].result == "fail"


def test_the_kernels_word_on_the_clock() -> None:
    """A clock that somebody keeps passes with its greatest error; one that nobody keeps is to be looked at."""
    assert machine.judge_clock(0.016, is_kept=True).text == "kept true, at most 16 ms off"
    assert machine.judge_clock(16.0, is_kept=False).result == "warn"
    assert machine.clock().result in {"pass", "warn", "skip"}


def seen(name: str, *, connected: bool = True, age: int = 0, period: float = 5) -> dict[str, Any]:
    """A machine as the overview has it, at instant 1,000,000."""
    return {"machine": {"name": name}, "connected": connected, "seen_at": 1_000_000 - age, "period_seconds": period}


def test_agents_away_or_late_are_named() -> None:
    """None at all and one out of touch are failures, late figures a warning; four rounds are still fresh."""
    assert fleet.judge_machines([], 1_000_000).result == "fail"
    assert "b" in fleet.judge_machines([seen("a"), seen("b", connected=False)], 1_000_000).text
    assert fleet.judge_machines([seen("a", age=20_001)], 1_000_000).result == "warn"
    assert fleet.judge_machines([seen("a", age=19_999)], 1_000_000).result == "pass"


def test_servers_down_are_failures_and_unknown_ones_are_not() -> None:
    """Down is a failure, unknown a warning, none a skip."""

    def one(name: str, health: str) -> dict[str, Any]:
        return {"machine": "m", "health": health, "status": {"name": name}}

    assert fleet.judge_servers([]).result == "skip"
    assert fleet.judge_servers([one("a", "up"), one("b", "unknown")]).result == "warn"
    assert fleet.judge_servers([one("a", "up"), one("b", "down")]).text == "down: m/b"


def test_an_examination_that_cannot_be_made_stops_no_other(data: Path) -> None:
    """A hub that fails in the middle is a finding, and the sheet goes on."""

    class Sick:
        def ask(self, method: str, path: str, wanted: type[Any]) -> Any:
            if "query" in path:
                raise Failed("it broke")
            return [] if path == "/api/channels" else {"machines": [], "servers": []}

        def ready(self) -> str:
            return "the disk is full"

    found = list(examine(Patient(data, None, asked=Sick())))
    assert sheet(found)["store"].text == "figures and events cannot be kept: the disk is full"
    assert Finding("hub", "fail", "it broke") in found
    assert sheet(found)["agents"].result == "fail"
    assert len(EXAMINATIONS) == 6


def channel(*, failures: int = 0, delivered_at: int = 0) -> dict[str, Any]:
    """A channel as the API has it."""
    why = "refused" if failures else ""
    told = {"name": "mail", "kind": "email", "failures": failures, "why": why, "queue": failures}
    return told | {"last_success_at": delivered_at}


def test_a_channel_that_has_proved_nothing_is_to_be_looked_at() -> None:
    """None at all, one that never or long ago delivered are warnings; one that fails is a failure; a fresh delivery passes."""
    now = 100 * telling.DAY_MS
    assert "nobody" in telling.judge([], now)[0].text
    assert telling.judge([channel()], now)[0].remedy == "watchkeeper channel test mail"
    assert telling.judge([channel(delivered_at=now - 31 * telling.DAY_MS)], now)[0].text == "email: last delivered 31 days ago"
    assert telling.judge([channel(failures=3, delivered_at=now)], now)[0].result == "fail"
    assert telling.judge([channel(delivered_at=now)], now)[0].result == "pass"


@pytest.mark.parametrize(("state", "result"), [("delivered", "pass"), ("failed", "fail")])
def test_a_test_goes_over_every_channel(data: Path, state: str, result: str) -> None:
    """Each is posted to once, by its name as a path has it, and what the receiver said is the finding."""
    posted: list[str] = []

    class Telling:
        def ask(self, method: str, path: str, wanted: type[Any]) -> Any:
            if method == "POST":
                posted.append(path)
                return {"state": state, "receipt": "204", "why": "" if state == "delivered" else "no route"}
            if path.startswith("/api/drills"):
                return {"drills": []}
            return [channel() | {"name": "night shift"}]

        def ready(self) -> str:
            return ""

    found = list(telling.examine(Patient(data, None, asked=Telling(), test=True)))
    assert posted == ["/api/channels/night%20shift/test"]
    assert [(one.name, one.result) for one in found] == [("channel night shift", result), ("drill", "warn")]


def test_only_a_drill_that_went_all_the_way_lately_proves_anything() -> None:
    """None, an old one and a failed one are told with what to do; one under way is not judged."""
    now = 100 * telling.DAY_MS

    def drill(state: str, at: int = now) -> list[dict[str, Any]]:
        return [{"drill": {"scenario": "killed", "state": state, "at": at, "why": "no alert fired"}, "proof": ""}]

    assert telling.judge_drills([], now).remedy == "watchkeeper drill run"
    assert telling.judge_drills(drill("failed"), now).text == "the last one (killed) failed: no alert fired"
    assert telling.judge_drills(drill("passed", now - 31 * telling.DAY_MS), now).result == "warn"
    assert telling.judge_drills(drill("passed"), now).result == "pass"
    assert telling.judge_drills(drill("running"), now).result == "skip"
    assert telling.judge_drills(drill("interrupted"), now).remedy == "watchkeeper drill run"


def test_a_sheet_for_strangers_holds_no_name_address_or_secret() -> None:
    """Home folder, host, addresses and long words go; loopback and plain words stay."""
    text = "box-7: /home/ada/x from 10.1.2.3 and 127.0.0.1, https://u:p@h/, box-7.lan, boxer, " + "k" * 40
    told = redact(text, Path("/home/ada"), "box-7.lan")
    assert told == "<this host>: ~/x from <address> and 127.0.0.1, https://…@h/, <this host>, boxer, <long word>"
