"""Costs are slopes: a base load does not count, failures do not, and where there is no slope it is said."""

from __future__ import annotations

import random

import pytest

from watchkeeper.stress.serverside import cost
from watchkeeper.stress.serverside.joined import Line


def test_a_known_cost_of_a_message_is_found_beside_a_base_load() -> None:
    """0.1 cores at rest and 40 µs a message: the slope is 40 µs, and its interval holds it."""
    chance = random.Random(3)
    done = {second: 1000 + 150 * (second // 5) for second in range(100)}
    cpu = {second: 0.1 + many * 40e-6 + chance.gauss(0, 0.004) for second, many in done.items()}
    found = cost.per_message(done, {}, cpu)
    assert found.value == pytest.approx(40e-6, rel=0.05)
    assert found.low < 40e-6 < found.high
    assert found.why == ""


def test_seconds_in_which_much_failed_are_left_out() -> None:
    """What is turned away costs something else: a hundred seconds of overload do not move the figure."""
    done = {second: 100 * (second // 5 + 1) for second in range(60)}
    cpu = {second: many * 1e-4 for second, many in done.items()}
    for second in range(60, 160):
        done[second], cpu[second] = 500, 1.0
    found = cost.per_message(done, dict.fromkeys(range(60, 160), 400), cpu)
    assert found.value == pytest.approx(1e-4, rel=0.01)


def test_one_level_alone_is_a_quotient_and_says_so() -> None:
    """No line can be drawn through one point."""
    found = cost.per_message(dict.fromkeys(range(60), 100), {}, dict.fromkeys(range(60), 0.5))
    assert found.value == pytest.approx(0.005)
    assert "one level of load alone" in found.why
    assert cost.per_message({}, {}, {}).value is None


def test_a_known_cost_of_a_connection_is_found_while_they_rise() -> None:
    """10 KiB each on 50 MiB; when they go again the memory stays, which is no reason to find less."""
    connections = {second: min(second, 100) * 20 for second in range(120)} | dict.fromkeys(range(120, 200), 10)
    memory = {second: 50 * 2**20 + min(many, 2000) * 10240.0 for second, many in connections.items()}
    memory |= dict.fromkeys(range(120, 200), 50 * 2**20 + 2000 * 10240.0)
    found = cost.per_connection(connections, memory)
    assert found.value == pytest.approx(10240, rel=0.02)
    assert cost.per_connection(dict.fromkeys(range(50), 40), memory).value is None


def test_a_reading_speaks_for_the_seconds_before_it() -> None:
    """One every five seconds is that of each of the five; two processes add up."""
    lines = [Line("x", {"pid": pid}, "", [1000, 6000, 11000], [0.0, 1.0, 2.0]) for pid in "12"]
    found = cost.by_second(lines, "x", 1000)
    assert found == {second: 2.0 if second < 5 else 4.0 for second in range(10)}
