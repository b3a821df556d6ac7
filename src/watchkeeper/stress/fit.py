"""Can this machine make what the plan asks for? Decided before the first hit, with the number that would fit. Pure.

Connections end at descriptors (for each worker) and at ports (for each source address and target); a rate ends at what
workers were measured to do. A plan that goes beyond either is refused rather than carried out with less.
"""

from __future__ import annotations

import ipaddress
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from watchkeeper.errors import Refused
from watchkeeper.stress import phases
from watchkeeper.stress.plan import Plan

SPARE_DESCRIPTORS = 64
"""Of each worker: its own files, and what a moment needs beside its connections."""
SHARE_OF_PORTS = 0.9
"""Of all ports of an address: the rest is for connections that are just being closed."""
SOURCES_MOST = 200
"""127.0.0.2 to 127.0.0.201."""


class Machine(NamedTuple):
    """What this machine has. `descriptors` that a process may have open, `ports` of an address, `cores` that we may use."""

    descriptors: int
    ports: int
    cores: int


class Fit(NamedTuple):
    """How the load is spread. `spin` in ns; `visits`: connections that each worker may have open beside those of its lanes."""

    workers: int
    sources: tuple[str, ...]
    spin: int
    visits: int = 0


def spread(plan: Plan, machine: Machine, address: str, *, is_local: bool) -> Fit:
    """Workers and source addresses; raises Refused for more connections than there can be."""
    cores = machine.cores
    workers = plan.generator.workers or max(1, cores - 1 if is_local else cores)
    spare = workers < cores - is_local
    spin = plan.generator.spin if plan.generator.spin is not None else 100e-6 if spare else 0.0
    connections = connections_of(plan)
    each = machine.descriptors - SPARE_DESCRIPTORS
    if connections > each * workers:
        why = (
            f"{connections} connections are more than {workers} workers may have open ({machine.descriptors} files each): "
            f"{each * workers} would fit, or {math.ceil(connections / each)} workers"
        )
        raise Refused(why, code="does-not-fit")
    ports = int(machine.ports * SHARE_OF_PORTS)
    sources = expanded(plan.generator.sources)
    if not sources and connections > ports and ipaddress.ip_address(address).is_loopback and ":" not in address:
        wanted = math.ceil(connections / ports)
        sources = tuple(f"127.0.0.{2 + number}" for number in range(min(wanted, SOURCES_MOST)))
    room = ports * max(1, len(sources))
    if connections > room:
        have = f"{max(1, len(sources))} source address{'es have' if len(sources) > 1 else ' has'}"
        why = (
            f"{connections} connections are more than {have} ports for: {room} would fit, "
            f"or {math.ceil(connections / ports)} addresses in generator.sources"
        )
        raise Refused(why, code="does-not-fit")
    return Fit(workers, sources, int(spin * 1e9), _visits(plan, workers, min(room, each * workers)))


def spread_over(plan: Plan, workers: Sequence[int]) -> Fit:
    """The same over other machines, of which each has so many workers; raises Refused.

    How many files and ports each has is its own to find out: what it lacks is told as `no-descriptor` and `no-port`.
    """
    if plan.generator.sources:
        raise Refused("generator.sources are addresses of this machine, and the load comes from others", code="bad-source")
    connections, ports = connections_of(plan), 25_000 * len(workers)
    if connections > ports:
        why = f"{connections} connections are more than {len(workers)} machines have ports for: {ports} would fit"
        raise Refused(why, code="does-not-fit")
    return Fit(sum(workers), (), 0, _visits(plan, sum(workers), ports))


def _visits(plan: Plan, workers: int, room: int) -> int:
    """What is left for each worker beside the plan's connections, for operations that open some of their own; raises Refused.

    `room`: connections that there can be. What finds none of these free waits.
    """
    visiting = next((one.name for one in plan.mix if one.visits), "")
    if not visiting:
        return 0
    connections = connections_of(plan)
    left = (min(room, plan.safety.max_connections) - connections) // workers
    if left < 1:
        is_ceiling = plan.safety.max_connections <= room
        limit = f"safety.max_connections ({plan.safety.max_connections})" if is_ceiling else f"there is room for ({room})"
        why = (
            f"the operation {visiting} opens connections beside the plan's {connections}: with one for each worker these are "
            f"{connections + workers}, more than {limit}{' allows' if is_ceiling else ''}"
        )
        raise Refused(why, code="over-ceiling" if is_ceiling else "does-not-fit")
    return left


def expanded(sources: Sequence[str]) -> tuple[str, ...]:
    """Addresses, and the hosts of networks (``127.0.1.0/26``); raises Refused for what is neither."""
    found: list[str] = []
    for one in sources:
        try:
            network = ipaddress.ip_network(one)
        except ValueError as fault:
            raise Refused(f"generator.sources: {fault}", code="bad-source") from None
        found += [str(host) for host in itertools.islice(network.hosts(), SOURCES_MOST)] if "/" in one else [one]
    return tuple(found)


def check_rates(plan: Plan, measured: float) -> float:
    """The highest rate that may be asked for: what safety allows and workers can do; raises Refused beyond it."""
    wanted = rate_of(plan)
    if wanted > plan.safety.max_rate:
        raise Refused(f"{wanted:.6g}/s is more than safety.max_rate ({plan.safety.max_rate:.6g}/s) allows", code="over-ceiling")
    if measured and wanted > measured:
        why = f"{wanted:.6g}/s is more than this machine's workers can start: {measured:.6g}/s would fit"
        raise Refused(why, code="does-not-fit")
    return min(plan.safety.max_rate, measured or math.inf)


def check_connections(plan: Plan) -> None:
    """Raises Refused for more than safety allows."""
    wanted = connections_of(plan)
    if wanted > plan.safety.max_connections:
        why = f"{wanted} connections are more than safety.max_connections ({plan.safety.max_connections}) allows"
        raise Refused(why, code="over-ceiling")


def connections_of(plan: Plan) -> int:
    """The most connections at one time."""
    each = (max(phase.connections or plan.connections, _users(phase)) for phase in plan.phase)
    return max((plan.connections, *each))


def rate_of(plan: Plan) -> float:
    """The highest rate that the plan asks for by number; what goes by the knee is held to the ceiling as it comes."""
    rates = [0.0]
    for phase in plan.phase:
        match phase:
            case phases.Steps():
                rates += [phase.begin, phase.end] if phase.model == "open" else []
            case phases.Ramp():
                rates += [phase.begin, phase.end]
            case phases.Spike():
                rates += [phase.rate or 0.0, phase.peak or 0.0]
            case _:
                rates.append(getattr(phase, "rate", None) or 0.0)
    return max(rates)


def _users(phase: phases.Leaf) -> int:
    found: int = getattr(phase, "users", None) or 0
    return found
