"""The judge in the hub: rows before messages, exact after any end, quiet about blips, silent machines and late figures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest

from rigs.bench import BEGIN, Rig, benched
from rigs.desk import until
from watchkeeper.clock import FakeClock
from watchkeeper.figures import hub_frame
from watchkeeper.judging import messages
from watchkeeper.message import version4
from watchkeeper.message.facts import summaries
from watchkeeper.model import Event, EventKind, Family, LogLines
from watchkeeper.telling import AlertState
from watchkeeper.web.desk import Figure

PROGRAM = "watchkeeper_program"

pytestmark = pytest.mark.usefixtures("each_store")

RULE = """
[[rule]]
alert = "Busy"
expr = "load > 1"
severity = "critical"
annotations = { summary = "{{ $labels.machine }} is busy ({{ $value }})" }
"""
JOB_LATE = Family("job_late", "gauge", "Whether a job is late.")
JOB_FAILED = Family("job_failed", "gauge", "Whether a job's last run failed.")
NOW = '[route]\ngroup_wait = "0s"\n'


async def test_an_alert_is_a_row_and_a_message_in_one_turn(tmp_path: Path) -> None:
    """With what a message needs: where, since when, against which bound, and its incident."""
    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect()
        rig.frame({"load": 2.5})
        await rig.turn()
        (bulletin, channels) = rig.told[0]
        assert (bulletin.kind, bulletin.title, channels) == ("firing", "box is busy (2.5)", ())
        assert bulletin.alerts[0].threshold == "above 1"
        assert bulletin.links["page"] == f"http://watch.example/incidents/{bulletin.incident}"
        kept = await rig.journal.alerts.standing()
        assert [one.alert.incident for one in kept] == [bulletin.incident]
        incident = await rig.journal.incidents.one(bulletin.incident)
        assert (incident.title, incident.state, incident.machine) == ("box is busy (2.5)", "open", "box")
        assert [event.text for event in await rig.events("alert_fired")] == ["Busy: box is busy (2.5)"]


async def test_a_message_leads_to_what_was_saved_of_the_server(tmp_path: Path) -> None:
    """The newest evidence of that server from around the alert; none of another's, or of long ago."""
    async with benched(tmp_path, RULE.replace("severity", 'labels = { server = "web 1" }\nseverity') + NOW) as rig:
        rig.connect()
        at = round(BEGIN * 1000)
        saved = [("e1", "web 1", at - 3_600_000), ("e2", "web 1", at - 5000), ("e3", "db", at - 4000)]
        await rig.journal.events.add(
            [
                Event(name, when, EventKind.EVIDENCE_SAVED, "saved", "box", server, facts={"evidence": name})
                for name, server, when in saved
            ]
        )
        rig.frame({"load": 2.5})
        await rig.turn()
        assert rig.told[0][0].links["evidence"] == "http://watch.example/machines/box/evidence/e2"


async def test_messages_that_wait_for_machines_wait_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that do not answer hold up all messages together for as long as one: each log comes when all were asked."""
    monkeypatch.setattr(messages, "PATIENCE", 60.0)
    here = RULE.replace("severity", 'labels = { server = "web" }\nseverity') + NOW
    async with benched(tmp_path, here + 'group_by = ["machine"]\n') as rig:
        machines, asked = ("a", "b", "c"), asyncio.Barrier(3)

        async def lines(machine: str, *_: object) -> AsyncIterator[LogLines]:
            await asked.wait()
            yield LogLines("1", (f"the last words of {machine}",), end=True)

        made = rig.bench.messages
        made._sources = made._sources._replace(logs=lines)
        for machine in machines:
            rig.connect(machine)
            rig.frame({"load": 2.5}, machine)
        await rig.turn()
        assert sorted(told.log_lines for told, _ in rig.told) == [(f"the last words of {one}",) for one in machines]


async def test_a_message_tells_what_takes_the_machine(tmp_path: Path) -> None:
    """Its programs, the busy one first; where no agent tells of these, its servers with their processes' numbers."""
    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect()
        rig.frame({"process_resident_memory_bytes": 1e6, "process_cpu_seconds_total": 5.0}, server="web", stream="1s")
        weight = {f"{PROGRAM}_resident_memory_bytes": 2e6, f"{PROGRAM}_cpu_seconds_total": 7.0}
        rig.frame(weight, program="backup", stream="10s")
        rig.frame({"load": 2.5})
        await rig.turn()
        assert [(one.pid, one.name, one.memory_bytes) for one in rig.told[0][0].processes] == [(0, "backup", 2_000_000)]
        rig.connect("spare")
        rig.frame({"process_resident_memory_bytes": 1e6, "process_cpu_seconds_total": 5.0}, "spare", server="web", stream="1s")
        rig.frame({"load": 2.5}, "spare")
        await rig.turn()
        assert [(one.name, one.memory_bytes) for one in rig.told[1][0].processes] == [("web", 1_000_000)]


def test_who_is_busy_is_told_before_who_is_large() -> None:
    """Three for their CPU, the others for their memory, nobody twice, nobody who has gone."""
    cpu = {"a": 0.5, "b": 2.0, "c": 0.1, "d": 0.05, "tiny": 0.001}
    memory = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "large": 900.0, "tiny": 5.0, "gone": 0.0}
    assert messages.heaviest(cpu, memory) == ["b", "a", "c", "large", "tiny"]


async def test_for_and_group_wait_go_by_the_clock(tmp_path: Path) -> None:
    """Pending, firing after `for`, told after group_wait, its end after group_interval."""
    async with benched(tmp_path, RULE.replace("severity", 'for = "20s"\nseverity')) as rig:
        rig.connect()
        for _ in range(20):
            rig.frame({"load": 2.5})
            await rig.turn(5)
        began = [
            change.at - round(BEGIN * 1000) for change in await rig.journal.alerts.history(next(iter(rig.bench.keeping.live)))
        ]
        assert began == [0, 20_000]
        assert [bulletin.at - round(BEGIN * 1000) for bulletin, _ in rig.told] == [50_000]
        rig.frame({"load": 0.0})
        await rig.turn(600)
        assert [kind for kind, _ in rig.messages()] == ["firing", "resolved"]
        assert rig.told[1][0].at - rig.told[0][0].at == 300_000
        assert rig.told[1][0].thread == rig.told[0][0].thread


async def test_a_journal_or_an_outbox_that_refuses_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until it is down, and told once."""
    from watchkeeper.errors import Failed  # noqa: PLC0415  # of this test alone

    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect()
        rig.frame({"load": 2.5})
        whole = rig.journal.alerts.record

        async def full(*_: object) -> None:
            raise Failed("the disk is full")

        monkeypatch.setattr(rig.journal.alerts, "record", full)
        with pytest.raises(Failed):
            await rig.bench.turn()
        assert rig.told == []
        monkeypatch.setattr(rig.journal.alerts, "record", whole)
        rig.refuse = 2
        await rig.turn()
        assert rig.told == []
        await rig.turn(11)
        assert rig.messages() == [("firing", "box is busy (2.5)")]
        assert (await rig.journal.incidents.one(rig.told[0][0].incident)).title == "box is busy (2.5)"


async def test_everything_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    """Pending clocks run on, what fires is not told again, and what ended meanwhile is told."""
    rules = RULE + '[[rule]]\nalert = "Slow"\nexpr = "lag > 1"\nfor = "10m"\n' + NOW
    clock = FakeClock(wall=BEGIN)
    async with benched(tmp_path, rules, clock=clock) as rig:
        rig.connect()
        rig.frame({"load": 2.5, "lag": 2.0})
        await rig.turn()
        assert rig.states() == {"Busy": "firing", "Slow": "pending"}
        first = rig.told[0][0]
    clock.advance(300)
    async with benched(tmp_path, rules, clock=clock) as rig:
        assert rig.states() == {"Busy": "firing", "Slow": "pending"}
        rig.connect()
        rig.frame({"load": 0.0, "lag": 2.0})
        await rig.turn()
        assert [(bulletin.kind, bulletin.thread) for bulletin, _ in rig.told] == [("resolved", first.thread)]
        for _ in range(61):
            rig.frame({"load": 0.0, "lag": 2.0})
            await rig.turn(5)
        slow = next(alert for alert in rig.bench.keeping.live.values() if alert.name == "Slow")
        assert (slow.state, slow.fired_at - slow.active_at) == (AlertState.FIRING, 600_000)


async def test_an_alert_whose_rule_is_gone_ends(tmp_path: Path) -> None:
    """A changed configuration: its end is a row and a message."""
    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect()
        rig.frame({"load": 2.5})
        await rig.turn()
    async with benched(tmp_path, NOW, clock=FakeClock(wall=BEGIN + 400)) as rig:
        await rig.turn()
        assert rig.states() == {}
        assert [kind for kind, _ in rig.messages()] == ["resolved"]


class Crash(BaseException):
    """The hub dies here."""


async def _until_crash(folder: Path, rules: str, clock: FakeClock, writes: int) -> tuple[list[str], bool]:
    """One life: it goes on until so many writes to journal and outbox were made.

    The ids that were told, and whether it died.
    """
    left = writes
    died = False
    told: list[str] = []
    async with benched(folder, rules, clock=clock) as rig:

        def spend() -> None:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1

        for room, names in (
            (rig.journal.alerts, ("record", "mark")),
            (rig.journal.incidents, ("keep", "keep_tellings")),
        ):
            for name in names:
                whole = getattr(room, name)

                async def counted(*given: object, whole: object = whole) -> object:
                    spend()
                    return await whole(*given)  # type: ignore[operator]  # one of the methods above

                setattr(room, name, counted)
        tell = rig.bench._tell

        async def outbox(bulletin: object, channels: tuple[str, ...]) -> None:
            spend()
            await tell(bulletin, channels)  # type: ignore[arg-type]  # a bulletin
            told.append(bulletin.id)  # type: ignore[attr-defined]  # of a bulletin
            spend()

        rig.bench._tell = outbox
        try:
            rig.connect()
            for value in (2.5, 2.5, 0.0, 0.0):
                rig.frame({"load": value})
                await rig.turn(5)
            await rig.turn(400)
        except Crash:
            died = True
    return told, died


@pytest.mark.parametrize(
    "writes", [number if number < 9 else pytest.param(number, marks=pytest.mark.long) for number in range(1, 18)]
)
async def test_wherever_it_dies_everything_is_told_and_nothing_twice_under_two_ids(tmp_path: Path, writes: int) -> None:
    """Killed after each write in turn: in the next life what was begun is told; a message told again has the same id."""
    clock = FakeClock(wall=BEGIN)
    told, died = await _until_crash(tmp_path, RULE + NOW, clock, writes)
    assert died
    told += (await _until_crash(tmp_path, RULE + NOW, clock, 10_000))[0]
    threads = {one.rpartition("-root-")[0] for one in told}
    for thread in threads:
        numbers = {one.rpartition("-")[2] for one in told if one.startswith(thread)}
        assert numbers >= {"1", "2"}, "firing and resolved"
    assert len(threads) <= 2, "the first life's alert, and the second's, which begins anew after the first was over"


async def test_a_silent_machine_is_unknown_and_one_message_says_so(tmp_path: Path) -> None:
    """HostSilent is told; what went on there neither ends nor goes on until it speaks again."""
    async with benched(tmp_path, RULE + NOW, stock=True) as rig:
        rig.connect()
        rig.frame({"load": 2.5})
        await rig.turn()
        rig.part()
        for _ in range(30):
            rig.observe()
            await rig.turn(5)
        assert rig.states()["Busy"] == "unknown"
        assert rig.states()["HostSilent"] == "firing"
        assert [kind for kind, _ in rig.messages()][:1] == ["firing"]
        busy = next(alert for alert in rig.bench.keeping.live.values() if alert.name == "Busy")
        assert (busy.suppressed, busy.reason) == ("inhibited by HostSilent", "box is silent")
        rig.connect()
        rig.frame({"load": 0.0})
        rig.observe()
        await rig.turn()
        assert "HostSilent" not in rig.states()
        assert "Busy" not in rig.states()


async def test_a_restarted_hub_does_not_take_machines_for_silent_at_once(tmp_path: Path) -> None:
    """What it has not listened to is no silence."""
    clock = FakeClock(wall=BEGIN)
    async with benched(tmp_path, NOW, stock=True, clock=clock) as rig:
        rig.connect()
        rig.frame({"load": 1.0})
        known = rig.fleet.known()
    clock.advance(3600)
    async with benched(tmp_path, NOW, stock=True, clock=clock) as rig:
        for one in known:
            from watchkeeper.fleet import _Member  # noqa: PLC0415  # as the hub's start puts them there

            rig.fleet._members[one.machine.name] = _Member(one)
        rig.observe()
        await rig.turn(60)
        assert "HostSilent" not in rig.states()
        for _ in range(8):
            rig.observe()
            await rig.turn(5)
        assert rig.states()["HostSilent"] == "firing"


async def test_a_hub_that_is_cut_off_says_so_once_and_takes_nobody_for_down(tmp_path: Path) -> None:
    """ObserverBlind; machines that are reached over the network are unknown, the one beside it is judged as ever."""
    async with benched(tmp_path, RULE + NOW, stock=True) as rig:
        rig.connect("far")
        rig.connect("near", peer="127.0.0.1:5")
        for name in ("far", "near"):
            rig.frame({"load": 2.5}, machine=name)
        await rig.turn()
        rig.told.clear()
        rig.bench.witnesses.blind = True
        rig.part("far")
        for _ in range(40):
            rig.frame({"load": 2.5}, machine="near")
            rig.observe()
            await rig.turn(5)
        states = {(alert.name, alert.labels.get("machine", "")): alert for alert in rig.bench.keeping.live.values()}
        assert states["Busy", "far"].state is AlertState.UNKNOWN
        assert states["Busy", "far"].reason == "the hub is cut off from its network"
        assert states["Busy", "near"].state is AlertState.FIRING
        assert ("HostSilent", "far") not in states
        assert [title for kind, title in rig.messages() if "cut off" in title] == [
            "the hub is cut off: other machines are unknown"
        ]


async def test_what_comes_in_late_is_noted_and_pages_nobody(tmp_path: Path) -> None:
    """An hour of kept figures with a fault in it: charts have it, the events say what would have fired."""
    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect()
        rig.frame({"load": 0.0})
        rig.part()
        rig.clock.advance(3600)
        rig.connect()
        for minute in range(1, 60):
            rig.frame({"load": 9.0 if 10 <= minute < 20 else 0.0}, at=rig.now - 3_600_000 + minute * 60_000)
            rig.clock.advance(0.001)
        await rig.turn()
        rig.clock.advance(5)
        rig.frame({"load": 0.0})
        await rig.turn()
        assert rig.told == []
        (missed,) = await rig.events("alert_missed")
        assert missed.text == "Busy would have fired for 600 s, by figures that came in late"
        assert missed.machine == "box"


async def test_a_wrong_clock_is_not_lateness(tmp_path: Path) -> None:
    """A machine whose clock is an hour behind, and one whose clock is set back while it runs, are judged as ever."""
    async with benched(tmp_path, RULE + NOW) as rig:
        rig.connect(skew=-3_600_000)
        rig.frame({"load": 2.5})
        await rig.turn()
        assert len(rig.told) == 1
        rig.clock.advance(5)
        rig.frame({"load": 0.0})
        await rig.turn(400)
        assert [kind for kind, _ in rig.messages()] == ["firing", "resolved"]
        for step in range(1, 100):
            rig.clock.advance(5)
            rig.frame({"load": 2.5}, at=rig.now - 7_200_000 + step)
        await rig.turn()
        assert [kind for kind, _ in rig.messages()] == ["firing", "resolved", "firing"]


SERVER = {
    "watchkeeper_server_up": 1.0,
    "watchkeeper_server_wanted": 1.0,
    "watchkeeper_server_failing": 0.0,
    "watchkeeper_server_restarts_total": 0.0,
    "watchkeeper_server_backoff_seconds": 0.0,
    "watchkeeper_server_hung": 0.0,
    "watchkeeper_server_needs_person": 0.0,
    "watchkeeper_server_processes": 1.0,
}


async def test_a_servers_end_is_judged_with_its_status(tmp_path: Path) -> None:
    """At for = 0 it is told before the next frame, also when it runs again already."""
    async with benched(tmp_path, '[[tune]]\nrule = "ServerDown"\nfor = "0s"\n' + NOW, stock=True) as rig:
        rig.connect()
        rig.frame(SERVER, server="web")
        rig.status()
        await rig.turn()
        rig.clock.advance(0.01)
        rig.status(restarts=1)
        await rig.turn()
        assert rig.messages() == [("firing", "web on box is down")]
        assert rig.told[0][0].log_lines == ("web said its last words",)
        assert rig.states() == {}


@pytest.mark.slow
async def test_twenty_blips_page_nobody(tmp_path: Path) -> None:
    """With the stock rules: killed and back in two seconds, hung for two seconds, again and again over hours."""
    async with benched(tmp_path, stock=True) as rig:
        rig.connect()
        restarts = 0
        for blip in range(20):
            for _ in range(60):
                rig.frame(SERVER | {"watchkeeper_server_restarts_total": float(restarts)}, server="web")
                rig.observe()
                await rig.turn(5)
            hung = blip % 2
            restarts += not hung
            if hung:
                rig.status(health="down", restarts=restarts)
            else:
                rig.status("backoff", "down", restarts, next_attempt_at=rig.now + 2000)
            await rig.turn(1)
            failing = {"watchkeeper_server_up": 0.0, "watchkeeper_server_failing": 1.0}
            rig.frame(SERVER | failing | {"watchkeeper_server_processes": 1.0 if hung else math.nan}, server="web")
            await rig.turn(1)
            rig.status(restarts=restarts)
            await rig.turn()
        assert [bulletin.title for bulletin, _ in rig.told] == []
        assert not [event for event in await rig.events("alert_fired") if event.severity == "critical"]


async def test_a_real_hang_is_told_once(tmp_path: Path) -> None:
    """Thirty seconds of failing probes with a living process: ServerHung, and its end."""
    async with benched(tmp_path, NOW, stock=True) as rig:
        rig.connect()
        rig.frame(SERVER, server="web")
        rig.status(health="down")
        for _ in range(10):
            rig.frame(SERVER | {"watchkeeper_server_up": 0.0, "watchkeeper_server_failing": 1.0}, server="web")
            await rig.turn(5)
        assert rig.messages() == [("firing", "web on box hangs")]
        rig.status()
        await rig.turn(400)
        assert [kind for kind, _ in rig.messages()] == ["firing", "resolved"]


async def test_a_reboot_that_nobody_asked_for(tmp_path: Path) -> None:
    """The boot time has changed and the agent was not stopped: an event, a figure, an alert; a clean one is none."""
    async with benched(tmp_path, NOW, stock=True) as rig:
        rig.connect(boot_at=1000)
        rig.frame({"load": 1.0})
        rig.part()
        rig.clock.advance(60)
        rig.connect(boot_at=10_000_000)
        rig.observe()
        await rig.turn()
        assert [event.text for event in await rig.events("machine_rebooted")] == [
            "box was rebooted, and nobody had stopped its agent"
        ]
        assert rig.states()["HostRebooted"] == "firing"


async def test_open_pages_hear_of_alerts(tmp_path: Path) -> None:
    """Every change is pushed, of one alert the newest word alone."""
    async with benched(tmp_path, RULE + NOW) as rig:
        with rig.changes.listen() as listener:
            rig.connect()
            rig.frame({"load": 2.5})
            await rig.turn()
            batch = await listener.wait_batch()
            assert [(alert.name, alert.state.value) for alert in batch.alerts] == [("Busy", "firing")]
            assert batch.urgent


async def test_the_own_figures(tmp_path: Path) -> None:
    """Silence, periods, clocks and counts, as other rules and charts may use them."""
    async with benched(tmp_path, RULE) as rig:
        rig.connect(skew=2500)
        rig.frame({"load": 2.5})
        await rig.turn(7)
        told = {(figure.family.name, labels): value for figure in rig.bench.figures() for labels, value in figure.values}
        box = (("machine", "box"),)
        assert told["watchkeeper_machine_silent_seconds", box] == pytest.approx(7, abs=0.1)
        assert told["watchkeeper_machine_clock_seconds", box] == 2.5
        assert told["watchkeeper_hub_alerts", (("state", "firing"),)] == 1
        assert told["watchkeeper_hub_rules", ()] == 1
        assert told["watchkeeper_hub_data_size_bytes", ()] > 0


async def test_a_paused_server_pages_nobody(tmp_path: Path) -> None:
    """Its alert is there with the reason, nobody is told; once it is looked after again what still holds is told."""
    down = '[[rule]]\nalert = "Down"\nexpr = "watchkeeper_server_up == 0"\nseverity = "critical"\n'
    async with benched(tmp_path, down + '[route]\ngroup_wait = "0s"\ngroup_interval = "10s"\n') as rig:
        rig.connect()
        rig.frame({"watchkeeper_server_up": 1.0}, server="web")
        why = "paused by ann until somebody resumes it (migration)"
        rig.status(health="down", paused_until=-1, paused_why=why)
        await rig.turn(60)
        (alert,) = rig.bench.keeping.live.values()
        assert (alert.state, alert.suppressed) == (AlertState.FIRING, why)
        assert rig.told == []
        assert [one.alert.suppressed for one in await rig.journal.alerts.standing()] == [why]
        rig.status(health="down")
        await rig.turn(30)
        assert [kind for kind, _ in rig.messages()] == ["firing"]
        assert next(iter(rig.bench.keeping.live.values())).suppressed == ""


async def test_the_watchdog_beats_only_as_long_as_rules_are_judged(tmp_path: Path) -> None:
    """That it fires is not enough: where judging stands still it fires on, and all is not well."""
    async with benched(tmp_path, NOW, stock=True) as rig:
        beats: list[int] = []
        rig.bench.beat = lambda: beats.append(rig.now)
        await rig.turn(10)
        assert not beats, "nothing was judged yet"
        asking = asyncio.create_task(rig.bench.asking.run())
        await asyncio.sleep(0.05)  # what is due is planned
        rig.clock.advance(20)
        await until(lambda: rig.bench.asking._rung.set() or rig.bench.court.docket.of(""))
        await rig.turn()
        assert beats
        asking.cancel()
        await rig.turn(60)
        beats.clear()
        await rig.turn(30)
        assert rig.states()["Watchdog"] == "firing"
        assert not beats


async def test_a_restart_wakes_nobody_for_what_is_paused(tmp_path: Path) -> None:
    """Before the agent is back only the journal knows of the pause; once it is back and has ended it, it is told."""
    down = '[[rule]]\nalert = "Down"\nexpr = "watchkeeper_server_up == 0"\nseverity = "critical"\n'
    clock, paused = FakeClock(wall=BEGIN), {"paused_until": -1, "paused_why": "paused by ann (migration)"}

    async def minutes(rig: Rig, many: int) -> None:
        for _ in range(2 * many):
            rig.frame({"watchkeeper_server_up": 0.0}, server="web")
            await rig.turn(30)

    async with benched(tmp_path, down, clock=clock) as rig:
        rig.connect()
        rig.status(health="down", **paused)
        await minutes(rig, 10)
        assert rig.states() == {"Down": "firing"}
        assert rig.told == []
    clock.advance(0.3)
    async with benched(tmp_path, down, clock=clock) as rig:
        await rig.turn(20)
        assert rig.told == []
        rig.connect()
        rig.status(health="down", **paused)
        await minutes(rig, 7)
        assert rig.told == []
        rig.status(health="down", paused_until=0)
        await minutes(rig, 7)
        assert [kind for kind, _ in rig.messages()] == ["firing"]


async def test_what_nobody_tells_any_more_ends_after_a_restart(tmp_path: Path) -> None:
    """An alert of a figure that the hub itself told, and whose cause is no longer configured, does not fire for ever."""
    rule = '[[rule]]\nalert = "Late"\nexpr = "job_late == 1"\nseverity = "critical"\n' + NOW
    clock = FakeClock(wall=BEGIN)

    def tell(rig: Rig) -> None:
        rig.bench.frame(*hub_frame([*rig.bench.figures(), Figure(JOB_LATE, [((("job", "backup"),), 1.0)])], rig.now))

    async with benched(tmp_path, rule, clock=clock) as rig:
        tell(rig)
        await rig.turn()
        assert rig.states() == {"Late": "firing"}
    async with benched(tmp_path, rule, clock=clock) as rig:
        for _ in range(12):
            tell(rig)
            await rig.turn(30)
        assert rig.states() == {"Late": "firing"}, "it is told of"
    async with benched(tmp_path, rule, clock=clock) as rig:
        for _ in range(12):
            rig.observe()
            await rig.turn(30)
        assert rig.states() == {}
        await rig.turn(400)
        assert [kind for kind, _ in rig.messages()] == ["resolved"]


async def test_what_looks_back_waits_longer_for_what_is_told_each_hour(tmp_path: Path) -> None:
    """A rule over hours whose metric was not heard of since the restart: its alert outlasts one hour, and no more."""
    rule = '[[rule]]\nalert = "Failed"\nexpr = "max_over_time(job_failed[2h]) == 1"\nseverity = "critical"\n' + NOW
    clock = FakeClock(wall=BEGIN)
    async with benched(tmp_path, rule, clock=clock) as rig:
        layout, frame = hub_frame([*rig.bench.figures(), Figure(JOB_FAILED, [((("job", "backup"),), 1.0)])], rig.now)
        rig.store.define("_hub", frame.stream, layout)
        rig.store.take("_hub", frame)
        rig.bench.frame(layout, frame)
        await rig.settle()
        await rig.bench.asking._ask(*rig.bench.court.questions(), rig.now)
        await rig.turn()
        assert rig.states() == {"Failed": "firing"}
    async with benched(tmp_path, rule, clock=clock) as rig:
        await rig.turn(3590)
        assert rig.states() == {"Failed": "firing"}
        await rig.turn(20)
        assert rig.states() == {}


async def test_a_message_tells_all_ends_however_many_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a message holds less than there is, ends come first: they are never told again; what is left out is counted."""
    monkeypatch.setattr(messages, "MOST_ALERTS", 10)
    async with benched(tmp_path, RULE + NOW + 'group_by = ["alertname"]\n') as rig:
        names = [f"m{number:02}" for number in range(15)]
        for name in names:
            rig.connect(name)
            rig.frame({"load": 2.5}, name)
        await rig.turn()
        assert (len(rig.told[0][0].alerts), rig.told[0][0].more) == (10, 5)
        for name in names[:4]:
            rig.frame({"load": 0.0}, name)
        await rig.turn(400)
        last = rig.told[-1][0]
        assert [one.alert.labels["machine"] for one in last.alerts if one.alert.state is AlertState.RESOLVED] == names[:4]
        assert (len(last.alerts), last.more) == (10, 5)
        assert version4.body(last, "x", UTC)["truncatedAlerts"] == 5
        assert summaries(last, 3)[-1] == "and 12 more"


async def test_killed_between_an_alert_and_its_incident(tmp_path: Path) -> None:
    """The alert's end is written, its incident's is not: the next hub finds that out, and the incident is over."""
    clock = FakeClock(wall=BEGIN)
    async with benched(tmp_path, RULE + NOW, clock=clock) as rig:
        rig.connect()
        rig.frame({"load": 2.5})
        await rig.turn()
        incident = rig.told[0][0].incident

        async def killed(*_: object) -> None:
            raise asyncio.CancelledError

        rig.journal.incidents.keep = killed  # type: ignore[method-assign]  # it ends here
        rig.frame({"load": 0.0})
        with pytest.raises(asyncio.CancelledError):
            await rig.turn()
    async with benched(tmp_path, RULE + NOW, clock=clock) as rig:
        await rig.turn(400)
        assert [kind for kind, _ in rig.messages()] == ["resolved"]
        assert (await rig.journal.incidents.one(incident)).state == "resolved"


async def test_a_drill_is_told_where_it_was_begun_for_also_when_it_is_over(tmp_path: Path) -> None:
    """Its end does not wake whoever routes would tell."""
    async with benched(tmp_path, RULE + '[route]\ngroup_wait = "0s"\nchannels = ["pager"]\n') as rig:
        rig.bench.court.docket.is_drill = lambda _: True
        rig.bench.drill_channels = lambda machine, _: ("test",) if machine == "drill-1" else ()
        rig.connect("drill-1")
        rig.frame({"load": 2.5}, "drill-1")
        await rig.turn(2)
        rig.bench.forget("drill-1")
        await rig.turn(10)
        assert [(bulletin.kind, channels) for bulletin, channels in rig.told] == [
            ("firing", ("test",)),
            ("resolved", ("test",)),
        ]
