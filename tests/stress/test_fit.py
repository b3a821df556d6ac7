"""A plan that this machine cannot carry out is refused before the first hit, with the number that would fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.errors import Refused
from watchkeeper.stress import fit
from watchkeeper.stress.fit import Machine, check_connections, check_rates, expanded, rate_of, spread
from watchkeeper.stress.plan import Plan, read, settled
from watchkeeper.stress.surroundings import environment, machine, memory_free

MACHINE = Machine(descriptors=20_000, ports=28_000, cores=4)
ONE = '[[phase]]\nkind = "constant"\nrate = 500\n'


def plan(text: str = ONE, **changes: object) -> Plan:
    """A plan with these changes, by dotted key."""
    return settled(*read({"x": 'name = "x"\n' + text}, {"target.url": "http://127.0.0.1:80/", **changes}))


@pytest.mark.parametrize(
    ("changes", "local", "workers", "spins"),
    [
        ({}, True, 3, False),
        ({}, False, 4, False),
        ({"generator.workers": 1}, True, 1, True),
        ({"generator.workers": 4}, False, 4, False),
        ({"generator.workers": 4, "generator.spin": "50ms"}, False, 4, True),
    ],
)
def test_workers(changes: dict[str, object], local: bool, workers: int, spins: bool) -> None:
    """One a core, one core being left to a target here; waiting awake only where a core is free, or where asked for."""
    found = spread(plan(**changes), MACHINE, "127.0.0.1", is_local=local)
    assert (found.workers, found.spin > 0) == (workers, spins)
    assert spread(plan(), Machine(1024, 28_000, 1), "127.0.0.1", is_local=True).workers == 1


def test_more_connections_than_descriptors() -> None:
    """With how many would fit, and how many workers it would take."""
    with pytest.raises(Refused, match=r"39872 would fit, or 3 workers"):
        spread(plan(connections=50_000, **{"generator.workers": 2}), MACHINE, "127.0.0.1", is_local=True)


def test_more_connections_than_ports() -> None:
    """On loopback more addresses are taken by themselves; elsewhere they must be named."""
    found = spread(plan(connections=50_000), MACHINE, "127.0.0.1", is_local=True)
    assert found.sources == ("127.0.0.2", "127.0.0.3")
    assert spread(plan(connections=100), MACHINE, "127.0.0.1", is_local=True).sources == ()
    with pytest.raises(Refused, match=r"25200 would fit, or 2 addresses in generator\.sources"):
        spread(plan(connections=50_000), MACHINE, "10.0.0.1", is_local=False)
    with pytest.raises(Refused, match=r"1 source address has ports for"):
        spread(plan(connections=50_000, **{"generator.sources": ["127.0.0.9"]}), MACHINE, "127.0.0.1", is_local=True)


def test_networks_of_sources() -> None:
    """A network stands for its hosts; what is neither address nor network is refused."""
    assert expanded(["127.0.0.9", "127.0.1.0/30"]) == ("127.0.0.9", "127.0.1.1", "127.0.1.2")
    assert len(expanded(["127.0.0.0/8"])) == fit.SOURCES_MOST
    with pytest.raises(Refused, match=r"generator\.sources"):
        expanded(["here"])


def test_phases_and_users_count() -> None:
    """The most that any phase asks for."""
    text = ONE + '[[phase]]\nkind = "hold"\nconnections = 700\n[[phase]]\nkind = "constant"\nname = "c"\nusers = 900\n'
    assert fit.connections_of(plan(text)) == 900
    with pytest.raises(Refused, match=r"900 connections are more than safety\.max_connections \(800\)"):
        check_connections(plan(text, **{"safety.max_connections": 800}))


VISITING = ONE + '[protocol]\nkind = "websocket"\noperation = [{ name = "open", does = "connect" }]\n'


def test_connections_beside_the_plans_own_count() -> None:
    """Operations that open some have what is left of ceiling, files and ports, shared among the workers."""

    def shape(machine: Machine = MACHINE, **changes: object) -> fit.Fit:
        given = {"target.url": "ws://127.0.0.1:80/", "connections": 100, "generator.workers": 2, **changes}
        return spread(plan(VISITING, **given), machine, "10.0.0.1", is_local=False)

    assert shape(**{"safety.max_connections": 140}).visits == 20
    assert shape(Machine(200, 28_000, 4)).visits == (2 * (200 - fit.SPARE_DESCRIPTORS) - 100) // 2
    assert shape(Machine(20_000, 200, 4)).visits == (180 - 100) // 2
    with pytest.raises(Refused, match=r"open opens connections .* 102, more than safety\.max_connections \(101\) allows"):
        shape(**{"safety.max_connections": 101})
    with pytest.raises(Refused, match=r"102, more than there is room for \(100\)"):
        shape(Machine(fit.SPARE_DESCRIPTORS + 50, 28_000, 4))
    assert spread(plan(connections=100, **{"safety.max_connections": 100}), MACHINE, "10.0.0.1", is_local=False).visits == 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (ONE, 500),
        ('[[phase]]\nkind = "ramp"\nbegin = 10\nend = 900\n', 900),
        ('[[phase]]\nkind = "spike"\nrate = 10\npeak = 70\n', 70),
        ('[[phase]]\nkind = "steps"\nbegin = 20\nend = 40\n', 40),
        ('[[phase]]\nkind = "steps"\nbegin = 20\nmodel = "closed"\n', 0),
        ('[[phase]]\nkind = "pause"\n', 0),
    ],
)
def test_the_highest_rate_by_number(text: str, rate: float) -> None:
    """Of all phases."""
    assert rate_of(plan(text)) == rate


def test_rates_over_a_ceiling() -> None:
    """The operator's, or what workers were measured to do; else the lower of both is the ceiling for what goes by the knee."""
    with pytest.raises(Refused, match=r"500/s is more than safety\.max_rate \(300/s\)"):
        check_rates(plan(**{"safety.max_rate": 300}), 0)
    with pytest.raises(Refused, match="more than this machine's workers can start: 450/s would fit"):
        check_rates(plan(), 450)
    assert check_rates(plan(), 2000) == 2000
    assert check_rates(plan(**{"safety.max_rate": 1000}), 2000) == 1000
    assert check_rates(plan(), 0) == 50_000


def test_what_this_machine_has(tmp_path: Path) -> None:
    """Files, ports, cores; and elsewhere what is usual."""
    here = machine()
    assert here.descriptors >= 256
    assert here.ports > 1000
    assert here.cores >= 1
    assert machine(tmp_path).ports == 16_384
    assert memory_free(tmp_path) == 1.0
    assert 0 < memory_free() < 1


def test_the_surroundings_are_told(tmp_path: Path) -> None:
    """What a reader of a report asks for, as this system tells it; nothing is made up."""
    found = environment()
    assert {"machine", "system", "python", "watchkeeper", "cores", "descriptors", "msgspec", "uvloop"} <= set(found)
    assert all(found.values())
    (tmp_path / "proc/sys/net/core").mkdir(parents=True)
    (tmp_path / "proc/sys/net/core/somaxconn").write_text("4096\n")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A Fast One\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:        1000 kB\nMemAvailable:    40 kB\n")
    told = environment(tmp_path)
    assert (told["processor"], told["memory_bytes"], told["somaxconn"]) == ("A Fast One", "1024000", "4096")
    assert "governor" not in told
    assert memory_free(tmp_path) == pytest.approx(0.04)
