"""Witnesses: who accepts or refuses is there, who says nothing is not; one that answers is enough to see."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from rigs.programs import free_port
from watchkeeper.alert.settings import WitnessSettings
from watchkeeper.alert.witness import Standing, heard, is_blind
from watchkeeper.judging import blindness
from watchkeeper.judging.blindness import Witnesses, gateway, is_neighbour, knock
from watchkeeper.quantities import Duration

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0
192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0
"""


async def test_a_refusal_is_an_answer_and_silence_is_none() -> None:
    """Accepted, refused, and a socket whose queue is full and that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert await knock("127.0.0.1", port, 5) == ""
    assert await knock("127.0.0.1", free_port(), 5) == ""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)  # the socket's own
            one.connect_ex(mute.getsockname())
        assert await knock("127.0.0.1", mute.getsockname()[1], 0.2) == "no answer within 0.2 s"
        for one in waiting:
            one.close()


def test_the_decider() -> None:
    """Blind is when all are gone, each for so many misses; without witnesses nobody is."""
    gone = Standing()
    for _ in range(3):
        gone = heard(gone, "no answer")
    assert gone == Standing(3, "no answer")
    there = heard(gone, "")
    assert there.misses == 0
    assert is_blind({"a": gone, "b": gone}, 3)
    assert not is_blind({"a": gone, "b": there}, 3)
    assert not is_blind({"a": gone}, 4)
    assert not is_blind({}, 1)


def test_the_gateway(tmp_path: Path) -> None:
    """Its address, and whether the network knows its hardware."""
    routes, arp = tmp_path / "route", tmp_path / "arp"
    routes.write_text(ROUTES)
    arp.write_text(ARP)
    assert gateway(routes) == "192.0.2.1"
    assert gateway(tmp_path / "none") == ""
    routes.write_text(ROUTES.splitlines()[0] + "\n")
    assert gateway(routes) == ""
    assert is_neighbour("192.0.2.1", arp)
    assert not is_neighbour("192.0.2.9", arp)
    assert not is_neighbour("192.0.2.1", tmp_path / "none")


async def test_it_becomes_blind_and_sees_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many rounds without an answer from anybody; one answer ends it; both are told."""
    answers = {"10.0.0.1": "no answer", "10.0.0.2": ""}

    async def answer(host: str, _: int, __: float) -> str:
        return answers[host]

    monkeypatch.setattr(blindness, "knock", answer)
    changes: list[bool] = []
    settings = WitnessSettings(targets=("10.0.0.1:1", "10.0.0.2:1"), misses=2, period=Duration(1))
    witnesses = Witnesses(settings, lambda: changes.append(witnesses.blind))
    pauses = 0

    async def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            answers["10.0.0.2"] = "unreachable"
        if pauses == 6:
            answers["10.0.0.1"] = ""
        if pauses == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(blindness.asyncio, "sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await witnesses.run()
    assert changes == [True, False]


@pytest.mark.parametrize("target", ["nowhere", "host:", ":80", "host:70000", "host:http"])
def test_a_target_that_cannot_be_dialled(target: str) -> None:
    """Refused while file and line are known."""
    with pytest.raises(ValueError, match="expected"):
        WitnessSettings(targets=(target,))
