"""What has become of numbered messages is told rightly, whatever has happened to them."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.stress.protocols.cloud import streams
from watchkeeper.stress.protocols.cloud.streams import Stream

fates = st.lists(st.sampled_from(["arrive", "lose", "double", "late", "reject", "unsettled"]), max_size=80)


@given(fates, st.integers(0, 9))
def test_every_fate_is_told(fates: list[str], seed: int) -> None:
    """Lost, doubled, out of order, rejected and unsettled messages are counted, each as what it was."""
    stream = Stream()
    chance = random.Random(seed)
    arrivals: list[int] = []
    for fate in fates:
        number = stream.next()
        if fate == "reject":
            stream.excuse(number)
        elif fate == "unsettled":
            stream.unsettled.add(number)
        elif fate == "late":
            place = chance.randint(0, len(arrivals))
            arrivals.insert(place, number)
        elif fate != "lose":
            arrivals.append(number)
            if fate == "double":
                arrivals.append(number)
    counted = {"new": 0, "reordered": 0, "duplicate": 0, "late": 0}
    newest, seen, expected = -1, set(), {"new": 0, "reordered": 0, "duplicate": 0, "late": 0}
    for number in arrivals:
        counted[stream.arrive(number)] += 1
        if number in seen:
            expected["duplicate"] += 1
        elif number < newest:
            expected["reordered"] += 1
        else:
            expected["new"] += 1
        seen.add(number)
        newest = max(newest, number)
    assert counted == expected
    told = stream.settle().get(0, Counter())
    assert told == Counter({"lost": fates.count("lose"), "unsettled": fates.count("unsettled")})
    assert stream.settle() == {}


def test_what_comes_after_all_is_late() -> None:
    """A message that was counted as lost and comes later is neither new nor a copy; a second copy of it is."""
    stream = Stream()
    for _ in range(3):
        stream.next()
    stream.arrive(0)
    assert stream.settle() == {0: {"lost": 2}}
    assert [stream.arrive(number) for number in (1, 1, 2)] == ["late", "duplicate", "late"]


def test_memory_is_bounded() -> None:
    """A gap without end is counted, not held."""
    stream = Stream()
    for _ in range(streams.OTHERS_MOST * 3):
        stream.next()
    assert stream.settle() == {0: {"lost": streams.OTHERS_MOST * 3}}


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["arrive", "lose", "unsettled"])), max_size=60), st.integers(2, 9))
def test_what_is_lost_is_told_of_its_own_operation(fates: list[tuple[int, str]], least: int) -> None:
    """However the operations take turns, and however often a stream forgets those that nobody can ask about any more."""
    stream = Stream()
    stream._looks_at = least
    expected: dict[int, Counter[str]] = {}
    for operation, fate in fates:
        number = stream.next(operation)
        if fate == "arrive":
            stream.arrive(number)
        else:
            told = {"lose": "lost", "unsettled": "unsettled"}[fate]
            expected.setdefault(operation, Counter())[told] += 1
            if fate == "unsettled":
                stream.unsettled.add(number)
    assert stream.settle() == expected


def test_turns_of_operations_are_not_held_for_ever() -> None:
    """Two operations in turn over a stream that loses nothing take no memory that grows."""
    stream = Stream()
    for number in range(20 * streams.TURNS_LEAST):
        stream.arrive(stream.next(number % 2))
    assert len(stream._turns) <= 2 * streams.TURNS_LEAST


@given(st.binary(max_size=50), st.integers(0, 2**60), st.integers(0, 60))
def test_a_body_says_whether_it_is_whole(content: bytes, number: int, place: int) -> None:
    """Any changed byte behind the header is noticed; what is too short is none of ours."""
    made = streams.made(b"mark", streams.DATA, 3, 4, number, -5, streams.filler(content))
    body = streams.read(made)
    assert body is not None
    assert (body.mark, body.sender, body.recipient, body.number, body.intended, body.is_whole) == (
        b"mark",
        3,
        4,
        number,
        -5,
        True,
    )
    if place < len(content):
        at = streams.HEADER.size + place
        changed = streams.read(made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :])
        assert changed is not None
        assert not changed.is_whole
    assert streams.read(made[: streams.HEADER.size - 1]) is None
