"""The Cloud Server under load: every kind of operation against the real one, and each lie of one that lies is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloudnet.keys import Identity, written
from rigs.cloud import Cable, cloud
from rigs.liar import lying
from rigs.stress import floor, run_stage
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.stress.protocols.cloud import Cloud, seed_of

KINDS = ("pair", "fan-out", "ping", "login", "register", "discover", "presence", "offline", "resume")


def plan(*operations: str, more: str = "") -> str:
    """A plan with operations of these kinds, each `name` or `name: settings`."""
    text = f'[protocol]\nkind = "cloud"\n{more}\n'
    for one in operations:
        name, _, settings = one.partition(": ")
        lines = settings if "does" in settings else f'does = "{name}"\n{settings}'
        text += f'[[protocol.operation]]\nname = "{name}"\n{lines}\n'
    return text


async def test_every_kind_of_operation_works_against_the_real_server(tmp_path: Path) -> None:
    """Messages, questions, logins, presence, mail for the absent and coming back: all end well, and nothing is amiss."""
    async with cloud(tmp_path) as here, floor(plan(*KINDS, 'receipt: does = "pair"\nuntil = "receipt"'), here.url, 12) as found:
        tallies = await run_stage(found, 0.8, rate=60)
        for name in (*KINDS, "receipt"):
            assert tallies[name].done > 0, (name, tallies[name].errors, tallies[name].fresh)
            assert tallies[name].errors == {}
            assert tallies[name].counts == {}
        for name, span in (
            ("pair", "accepted"),
            ("receipt", "one-way"),
            ("fan-out", "skew"),
            ("offline", "replay"),
            ("resume", "resume"),
        ):
            assert tallies[name].spans[span].histogram.total > 0, (name, span)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "count", "errors"),
    [
        ("lose", "lost", "timeout"),
        ("double", "duplicated", ""),
        ("swap", "reordered", ""),
        ("change", "corrupt", "corrupt"),
        ("reject", "", "rejected-no-room"),
        ("swallow", "unsettled", "timeout"),
    ],
)
async def test_each_lie_is_told_exactly(fault: str, count: str, errors: str) -> None:
    """One message in fifty is lost, doubled, swapped with the next, changed, rejected or swallowed: so many are counted."""
    async with lying(fault, 50) as (liar, url), floor(plan("pair"), url, 4, patience=0.5) as found:
        pair = (await run_stage(found, 0.5, rate=1000))["pair"]
        assert liar.messages == pair.started == 500
        held = sum(line.held is not None for line in liar.clients.values())  # swapped with one that never came: lost
        counts = {name: many for name, many in pair.counts.items() if name != "lost" or fault == "lose"}
        assert counts == ({count: liar.faults - held} if count else {})
        assert sum(pair.errors.values()) == (liar.faults if errors else held)
        assert set(pair.errors) <= {errors or "timeout"}


async def test_what_is_amiss_is_told_of_the_operation_whose_message_it_was() -> None:
    """Of two operations in turn the second's messages alone are lost, doubled or changed: nothing is told of the first."""
    for fault, count in (("lose", "lost"), ("double", "duplicated"), ("change", "corrupt"), ("swallow", "unsettled")):
        two = plan('first: does = "pair"\nsize = "100B"', 'second: does = "pair"\nsize = "200B"')
        async with lying(fault, 1) as (liar, url), floor(two, url, 4, patience=0.3) as found:
            liar.least = 200
            tallies = await run_stage(found, 0.3, rate=200)
            assert tallies["first"].counts == {}
            assert tallies["second"].counts == {count: tallies["second"].started}


async def test_what_comes_late_of_an_operation_that_is_over_is_told_in_the_stage_that_goes_on() -> None:
    """A second copy of a message whose operation ran in an earlier stage alone is counted where somebody still looks."""
    two = plan('first: does = "pair"', 'second: does = "pair"')
    async with lying("none", 1) as (liar, url), floor(two, url, 2, patience=0.5) as found:
        await run_stage(found, 0.1, rate=50, operations=("first",))
        found.tallies.forget()
        again = liar.last
        under_way = asyncio.create_task(run_stage(found, 0.4, rate=50, index=1, operations=("second",)))
        async with asyncio.timeout(10):
            while liar.last is again:
                await asyncio.sleep(0.005)
        assert again is not None
        liar.clients[again[1].to].deliver(again[0].key, again[1], again[1].body)
        tallies = await under_way
        assert [tally.counts.get("duplicated", 0) for tally in tallies.values()].count(1) == 1
        assert tallies["second"].counts == {}


async def test_visits_open_no_more_connections_than_there_is_room_for() -> None:
    """Sixty logins come due at nearly the same time beside four clients: two are connected at a time, and all get in."""
    async with lying("lose", 1) as (liar, url), floor(plan("login"), url, 4, visits=2) as found:
        login = (await run_stage(found, 0.1, rate=600))["login"]
        assert login.done == 60
        assert 4 < liar.most <= 6


async def test_room_for_one_visitor_is_enough_for_all_kinds_of_visits(tmp_path: Path) -> None:
    """Who waits for a connection holds none, so that visits of two clients come to their end as well."""
    kinds = ("login", "presence", "offline", "resume")
    async with cloud(tmp_path) as here, floor(plan(*kinds), here.url, 6, visits=1, patience=10.0) as found:
        tallies = await run_stage(found, 0.5, rate=40)
        assert sum(tallies[name].done for name in kinds) == 20
        assert all(tallies[name].done and not tallies[name].errors for name in kinds)


async def test_mail_for_the_absent_that_is_never_accepted_is_not_lost() -> None:
    """A server that says nothing of the messages to somebody who is away has taken none of them on."""
    async with lying("swallow", 1) as (_, url), floor(plan("offline"), url, 2, patience=0.3) as found:
        offline = (await run_stage(found, 0.1, rate=50))["offline"]
        assert offline.errors == {"timeout": 5}
        assert offline.counts == {"unsettled": 15}


async def test_mail_that_an_earlier_run_has_left_is_not_this_ones(tmp_path: Path) -> None:
    """It is taken and counted apart: neither a copy nor out of order."""
    async with cloud(tmp_path) as here:
        slow = plan('pair: to = "slow"\nuntil = "accepted"', more="reading = 0.5")
        async with floor(slow, here.url, 2) as found:
            assert (await run_stage(found, 0.2, rate=50))["pair"].done == 10
        async with floor(plan("pair"), here.url, 2) as found:
            tallies = await run_stage(found, 0.3, rate=50)
            assert tallies["pair"].done == 15
            assert tallies["pair"].counts == {}
            assert sum(tally.counts.get("stale", 0) for tally in found.tallies.all) == 10


@pytest.mark.slow
async def test_who_stops_to_read_takes_all_of_it_afterwards(tmp_path: Path) -> None:
    """Half of the clients stop for a stage: the others' messages go on, nobody sends from a deaf one, and nothing is lost."""
    async with cloud(tmp_path) as here, floor(plan(), here.url, 4) as found:
        slow = await run_stage(found, 0.3, rate=200, operations=("pair", "to-slow"), reading=0.5)
        assert (slow["pair"].done + slow["to-slow"].done, slow["fan-out"].scheduled) == (60, 0)
        assert 0 < slow["to-slow"].done < slow["pair"].done
        deaf = [lane.reads for lane in found.lanes].count(False)  # type: ignore[attr-defined]  # the lanes of this protocol
        again = await run_stage(found, 0.3, rate=100, index=1)
        assert (deaf, again["pair"].done, again["to-slow"].scheduled) == (2, 30, 0)
        told = [tally.counts for tally in found.tallies.all]
        assert not any(counts.keys() & {"lost", "unexpected", "duplicated", "stale"} for counts in told)
        assert {lane.room for lane in found.lanes} == {256}


async def test_what_is_under_way_when_a_stage_settles_is_not_lost(tmp_path: Path) -> None:
    """A recovery begins in the instant in which its overload ends: that one's end says nothing of the other's messages."""
    async with cloud(tmp_path) as here, floor(plan("pair"), here.url, 4) as found:
        await run_stage(found, 0.1, rate=100)
        under_way = asyncio.create_task(run_stage(found, 0.4, rate=500, index=1))
        await asyncio.sleep(0.05)
        for _ in range(40):  # whenever it is, something may be on its way
            found.settle(0)
            await asyncio.sleep(0.005)
        pair = (await under_way)["pair"]
        assert pair.done == 200
        assert pair.counts == {}


async def test_lost_connections_lose_nothing(tmp_path: Path) -> None:
    """The network breaks again and again: what was under way fails as such, clients come back, and nothing accepted is lost."""
    async with cloud(tmp_path) as here, Cable(here.port).plugged() as cable, floor(plan("pair"), cable.url, 10) as found:

        async def breaking() -> None:
            for _ in range(3):
                await asyncio.sleep(0.3)
                cable.cut()

        tearing = asyncio.create_task(breaking())
        pair = (await run_stage(found, 1.2, rate=300))["pair"]
        await tearing
        assert pair.done > 200
        assert set(pair.errors) <= {"closed", "reset", "refused", "connect-timeout", "timeout"}
        assert pair.counts.get("lost", 0) == 0
        assert pair.counts.get("duplicated", 0) == 0


async def test_another_server_than_was_meant_is_refused(tmp_path: Path) -> None:
    """By its key."""
    other = plan("pair", more=f'server_key = "{written(Identity.new().key)}"')
    async with cloud(tmp_path) as here, floor(other, here.url, 2) as found:
        assert found.keeper.first_tries == {"rejected-wrong-server": 2}


def test_the_clients_are_the_same_in_each_run() -> None:
    """A server that remembers every key meets few; other workers, lanes and addresses have others."""
    here = [seed_of("ws://a", worker, number, slot) for worker in (0, 1) for number in (0, 1) for slot in (0, 1)]
    assert len({*here, seed_of("ws://b", 0, 0, 0)}) == 9
    assert here[0] == seed_of("ws://a", 0, 0, 0)
    assert len(here[0]) == 32


@pytest.mark.parametrize("line", ['size = "10B"', 'to = "slow"', 'does = "dance"', "recipients = 0"])
def test_bad_operations_are_refused(line: str) -> None:
    """A message holds its number; who does not read cannot be waited for."""
    document = parse({"x.toml": f'[[operation]]\nname = "x"\n{line}'})
    with pytest.raises(ConfigError):
        document.decode(document.tables, Cloud, ("protocol",))


def test_a_key_that_is_none_is_refused() -> None:
    """While the plan is read."""
    document = parse({"x.toml": 'server_key = "abc"'})
    with pytest.raises(ConfigError, match="52 small letters"):
        document.decode(document.tables, Cloud, ("protocol",))
