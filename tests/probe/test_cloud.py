"""The Cloud Server's probe against real servers: well, gone, frozen, another one, and connections that break midway."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet.client import connect
from cloudnet.keys import Identity, load, written
from rigs.cloud import Cable, Cloud, CloudProgram, cloud
from watchkeeper.errors import Failed
from watchkeeper.model import Notes
from watchkeeper.probe.cloud import Burst, Fates, judge
from watchkeeper.probe.cloud import Cloud as Probe
from watchkeeper.quantities import Duration

PATIENT = Duration(20)


async def ask(probe: Probe, folder: Path) -> dict[str, float]:
    """One attempt; what it noted."""
    notes = Notes({}, folder / "probe")
    await probe.attempt(notes)
    return notes.figures


async def miss(probe: Probe, folder: Path) -> tuple[str, dict[str, float]]:
    """One attempt that must fail: why, and what it noted all the same."""
    notes = Notes({}, folder / "probe")
    with pytest.raises(Failed) as fault:
        await probe.attempt(notes)
    return fault.value.why, notes.figures


@pytest.fixture
def program(tmp_path: Path) -> Iterator[CloudProgram]:
    """The real program."""
    server = CloudProgram(tmp_path)
    server.start()
    yield server
    server.close()


async def test_a_server_that_is_well_answers_every_message(tmp_path: Path) -> None:
    """All receipts, once and in order, with the times of logging in and of a round trip."""
    async with cloud(tmp_path) as here:
        probe = Probe(url=here.url, messages=25, timeout=PATIENT)
        figures = await ask(probe, tmp_path)
        assert set(figures) == {family.name for family in Probe.FAMILIES}
        assert figures["probe_cloud_messages_sent"] == 25
        for fate in ("lost", "duplicated", "reordered"):
            assert figures[f"probe_cloud_messages_{fate}"] == 0
        assert 0 < figures["probe_cloud_round_trip_seconds"] <= figures["probe_cloud_round_trip_worst_seconds"]
        assert figures["probe_cloud_login_seconds"] > 0


async def test_months_of_attempts_leave_nothing_behind(tmp_path: Path) -> None:
    """Two devices, known once and for all, nobody connected, nothing in the mailbox; the keys are for their owner's eyes."""
    async with cloud(tmp_path) as here:
        probe = Probe(url=here.url, timeout=PATIENT)
        for _ in range(6):
            await ask(probe, tmp_path)
        figures = await here.figures()
        assert figures["cloud_known_devices"] == 2
        assert figures["cloud_mailbox_messages"] == 0
        assert figures['cloud_sessions{state="ready"}'] == figures['cloud_sessions{state="away"}'] == 0
    kept = sorted((tmp_path / "probe").iterdir())
    assert [path.name for path in kept] == ["receiver.key", "sender.key"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


async def test_no_server_is_a_miss_at_once(program: CloudProgram, tmp_path: Path) -> None:
    """Nothing listens: the reason is the system's, and nobody waits for the time-out."""
    probe = Probe(url=program.url, timeout=Duration(3600))
    await ask(probe, tmp_path)
    program.kill()
    why, figures = await miss(probe, tmp_path)
    assert why == f"no login at {program.url}: Connection refused"
    assert figures == {}


async def test_a_frozen_server_is_a_miss_in_time(program: CloudProgram, tmp_path: Path) -> None:
    """The kernel still accepts, the server does not answer: told within the time-out; awake again, it is well again."""
    probe = Probe(url=program.url, timeout=PATIENT)
    await ask(probe, tmp_path)
    assert program.process is not None
    os.kill(program.process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENT):
            why, _ = await miss(Probe(url=program.url, timeout=Duration(1)), tmp_path)
    finally:
        os.kill(program.process.pid, signal.SIGCONT)
    assert why.startswith("no Cloud Server answered within 0.")
    await ask(probe, tmp_path)


async def test_another_server_will_not_do(tmp_path: Path) -> None:
    """With the key pinned the right one is well, and one with another key is a miss, whatever it answers."""
    async with cloud(tmp_path) as here:
        key = written(load(tmp_path / "cloud" / "server.key").key)
        await ask(Probe(url=here.url, server_key=key, timeout=PATIENT), tmp_path)
        wrong = Probe(url=here.url, server_key=written(Identity.new().key), timeout=PATIENT)
        assert (await miss(wrong, tmp_path))[0] == "this is not the server whose key was given"


@asynccontextmanager
async def cut_after_login(
    here: Cloud, probe: Probe, folder: Path, cable: Cable
) -> AsyncIterator[asyncio.Task[tuple[str, dict]]]:
    """An attempt over a cable that lets nothing through any more once both clients are in."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(miss(probe, folder))
        async with asyncio.timeout(PATIENT):
            while (await here.figures()).get('cloud_sessions{state="ready"}') != 2:
                await asyncio.sleep(0)
        cable.hold()
        yield asking


@pytest.mark.slow
async def test_messages_that_do_not_arrive_are_counted(tmp_path: Path) -> None:
    """A line that goes dead in the middle of a burst: how many were lost, in figures and in words; later all is well."""
    async with cloud(tmp_path) as here, Cable(here.port).plugged() as cable:
        many = Probe(url=cable.url, messages=1000, timeout=Duration(3))
        async with cut_after_login(here, many, tmp_path, cable) as asking:
            why, figures = await asking
        assert "of 1000 messages did not arrive" in why
        assert figures["probe_cloud_messages_sent"] == 1000
        assert 0 < figures["probe_cloud_messages_lost"] <= 1000
        cable.cut()
        cable.release()
        figures = await ask(Probe(url=cable.url, messages=3, timeout=PATIENT), tmp_path)
        assert figures["probe_cloud_messages_lost"] == 0


async def test_what_an_earlier_attempt_left_is_let_pass(tmp_path: Path) -> None:
    """Messages of another burst in the recipient's mailbox are taken and counted nowhere."""
    async with cloud(tmp_path) as here:
        probe = Probe(url=here.url, timeout=PATIENT)
        await ask(probe, tmp_path)
        sender, receiver = (load(tmp_path / "probe" / f"{name}.key") for name in ("sender", "receiver"))
        async with connect(here.url, sender) as client:
            for number in range(5):
                await client.send(receiver.key, b"earlier!" + number.to_bytes(4, "big"))
        assert (await here.figures())["cloud_mailbox_messages"] == 5
        figures = await ask(probe, tmp_path)
        assert figures["probe_cloud_messages_duplicated"] == figures["probe_cloud_messages_lost"] == 0
        async with asyncio.timeout(10):  # a moment later: the probe does not wait for the server's disk
            while (await here.figures())["cloud_mailbox_messages"]:
                await asyncio.sleep(0.05)


async def test_a_refusal_is_told_with_the_servers_words(tmp_path: Path) -> None:
    """A server that takes no body of this size says so, and so does the probe."""
    async with cloud(tmp_path, body_bytes=20) as here:
        why, figures = await miss(Probe(url=here.url, messages=4, timeout=PATIENT), tmp_path)
        assert why.startswith("4 of 4 messages were refused: sealed, the message has")
        assert figures["probe_cloud_messages_lost"] == 4


async def test_a_certificate_is_looked_at_unless_told_otherwise(tmp_path: Path) -> None:
    """A server with a certificate that nobody vouches for is a miss by default, and well without `verify`."""
    certificate, key = make_certificate(tmp_path)
    async with cloud(tmp_path, tls_certificate=str(certificate), tls_key=str(key)) as here:
        url = here.url.replace("ws://", "wss://")
        why, _ = await miss(Probe(url=url, timeout=PATIENT), tmp_path)
        assert "certificate" in why.lower()
        await ask(Probe(url=url, verify=False, timeout=PATIENT), tmp_path)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command += [
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        str(certificate),
        "-keyout",
        str(key),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@given(st.integers(1, 30), st.lists(st.integers(0, 29), max_size=60), st.integers(0, 3))
def test_fates_add_up(messages: int, arrived: list[int], repeated: int) -> None:
    """Every message is lost or arrived; in order and once there is nothing to complain of."""
    arrived = [number for number in arrived if number < messages]
    fates = judge(messages, arrived, repeated)
    assert fates.lost + len(set(arrived)) == messages
    assert (fates.duplicated > repeated) == (len(set(arrived)) < len(arrived))
    assert (fates.reordered == 0) == (list(dict.fromkeys(arrived)) == sorted(set(arrived)))


@pytest.mark.parametrize(
    ("messages", "arrived", "repeated", "fates", "said"),
    [
        (3, [0, 1, 2], 0, Fates(0, 0, 0), []),
        (3, [0, 2], 0, Fates(1, 0, 0), ["1 of 3 messages did not arrive"]),
        (3, [0, 1, 1, 2], 0, Fates(0, 1, 0), ["1 of 3 messages arrived more than once"]),
        (3, [0, 1, 2], 2, Fates(0, 2, 0), ["2 of 3 messages arrived more than once"]),
        (4, [0, 3, 1, 2], 0, Fates(0, 0, 2), ["2 of 4 messages arrived out of order"]),
    ],
)
def test_each_fate_has_its_words(messages: int, arrived: list[int], repeated: int, fates: Fates, said: list[str]) -> None:
    """Lost, twice and out of order are told apart."""
    burst = Burst(messages)
    burst.round_trips = [0.1] * len(set(arrived))
    assert judge(messages, arrived, repeated) == fates
    assert burst.faults(fates) == said


def test_a_receipt_that_is_missing_is_no_lost_message() -> None:
    """What arrived but was not acknowledged to its sender is told as that."""
    burst = Burst(3)
    burst.round_trips = [0.1]
    assert burst.faults(Fates(0, 0, 0)) == ["2 of 3 receipts did not come back"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Probe(url="http://127.0.0.1:8765"), "ws:// or wss://"),
        (lambda: Probe(url="ws://127.0.0.1:8765", server_key="x"), "52 small letters"),
    ],
)
def test_what_could_never_work_is_refused_while_it_is_read(make: object, said: str) -> None:
    """A leaf checks itself as it is decoded, so that file and line can be named."""
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]  # any callable


def test_an_agent_without_this_probe_does_not_load_the_client() -> None:
    """The leaf itself brings in nothing of the Cloud Client's; its first attempt does."""
    code = "import sys, watchkeeper.agent; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "watchkeeper.probe.cloud" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in {"cloudnet", "picows", "nacl", "uvloop"}]
