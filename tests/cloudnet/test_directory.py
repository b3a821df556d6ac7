"""What is registered is found: by every filter, in order, a page at a time, near a place anywhere on earth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet import directory
from cloudnet.codes import Code
from cloudnet.directory import EARTH_METRES, Directory, checked_profile, metres_between
from cloudnet.errors import Refused
from cloudnet.packets import EXTRA_BYTES, PAGE, TEXT_CHARACTERS, Entry, Find, Profile
from rigs.wire import POISONS

ROUND = 2 * math.pi * EARTH_METRES


def key(number: int) -> bytes:
    """A key of its own."""
    return number.to_bytes(32)


def somebody(number: int, name: str = "", **more: Any) -> Profile:
    """A profile."""
    fields: dict[str, Any] = {"kind": "device", "type": "", "name": name or f"name {number:04}", "device": key(number)}
    return Profile(key(number), **(fields | more))


def everybody(_: bytes) -> bool:
    """All are here."""
    return True


def pages(found: Directory, query: Find, is_present: Any = everybody) -> Iterator[tuple[Entry, ...]]:
    """All pages of a search."""
    while True:
        entries, after = found.find(query, is_present)
        yield entries
        if not after:
            return
        query = msgspec.structs.replace(query, after=after)


def numbers(found: Directory, query: Find, is_present: Any = everybody) -> list[int]:
    """Whom a search finds, over all pages."""
    return [int.from_bytes(entry.profile.key) for page in pages(found, query, is_present) for entry in page]


# -- filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"kind": "service"}, [2, 3]),
        ({"type": "chat"}, [2]),
        ({"kind": "service", "type": "wallet"}, [3]),
        ({"kind": "device", "type": "wallet"}, []),
        ({"text": "BOB"}, [1, 2]),
        ({"text": "STRASSE"}, [4]),
        ({"text": "B'S"}, [2]),
        ({"text": "%"}, []),
        ({"device": key(9)}, [2, 3]),
        ({"key": key(3)}, [3]),
        ({"key": key(3), "kind": "device"}, []),
        ({"key": key(7)}, []),
        ({"key": b"x"}, []),
        ({"present": True}, [1, 4]),
        ({"present": True, "text": "bob"}, [1]),
    ],
    ids=str,
)
def test_every_filter_that_is_given_must_fit(query: dict[str, Any], expected: list[int]) -> None:
    """Each alone and together; text in name or alias, whatever its case."""
    found = Directory(
        [
            somebody(1, "Bob"),
            somebody(2, "chat", kind="service", type="chat", alias="bob's", device=key(9)),
            somebody(3, "coins", kind="service", type="wallet", device=key(9)),
            somebody(4, "Hauptstraße"),
        ]
    )
    assert sorted(numbers(found, Find(1, **query), lambda device: device != key(9))) == expected


def test_what_is_put_again_replaces_and_what_is_removed_is_gone() -> None:
    """Under its old name, place and number it is found no more."""
    found = Directory([somebody(1, "old", place=(10.0, 10.0)), somebody(2, place=(10.0, 10.0), device=key(1))])
    found.put(somebody(1, "new"))
    assert len(found) == 2
    assert numbers(found, Find(1, text="old")) == []
    assert numbers(found, Find(1, text="new")) == [1]
    assert numbers(found, Find(1, near=(10.0, 10.0))) == [2]
    assert found.profile(key(1)) == somebody(1, "new")
    found.remove_all(key(1))
    assert len(found) == 0
    assert numbers(found, Find(1, near=(10.0, 10.0))) == numbers(found, Find(1)) == []
    assert not found.remove(key(1))


@pytest.mark.parametrize("limit", [0, -1, PAGE + 1, 2**63])
def test_a_page_has_a_size(limit: int) -> None:
    """From one to the limit."""
    with pytest.raises(Refused) as fault:
        Directory().find(Find(1, limit=limit), everybody)
    assert fault.value.code == Code.MALFORMED


def test_a_text_has_a_length() -> None:
    """At the limit it is searched for, beyond it refused."""
    assert Directory().find(Find(1, text="x" * TEXT_CHARACTERS), everybody) == ((), b"")
    with pytest.raises(Refused):
        Directory().find(Find(1, text="x" * (TEXT_CHARACTERS + 1)), everybody)


# -- pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("near", [None, (1.0, 2.0)])
def test_pages_hold_everything_once_in_order(limit: int, near: tuple[float, float] | None) -> None:
    """Also where all have one name and one place, and the last page is full; it is known to be the last."""
    found = Directory(somebody(number, "same", place=(1.0, 2.0)) for number in range(1, 15))
    assert numbers(found, Find(1, limit=limit, near=near)) == list(range(1, 15))
    assert len(list(pages(found, Find(1, limit=limit, near=near)))) == math.ceil(14 / limit)


@given(st.data())
def test_whoever_comes_and_goes_between_pages_hides_nobody(data: st.DataObject) -> None:
    """Of those who were there all the time each is found, and nobody twice, by name and by distance."""
    some = st.integers(1, 60)
    near = data.draw(st.sampled_from([None, (0.0, 0.0)]))
    stay = data.draw(st.sets(some))

    def made(number: int) -> Profile:
        return somebody(number, f"{number * 7 % 11}", place=(number % 5 / 10, number % 7 / 10))

    found = Directory(map(made, stay))
    seen: list[int] = []
    for page in pages(found, Find(1, limit=data.draw(st.integers(1, 5)), near=near)):
        seen += [int.from_bytes(entry.profile.key) for entry in page]
        for number in data.draw(st.sets(some, max_size=4)) - stay:
            if not found.remove(key(number)):
                found.put(made(number))
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


def test_a_search_that_finds_little_answers_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many that do not fit it comes back with what it has and a cursor, so that nobody is held up."""
    monkeypatch.setattr(directory, "LOOKED_AT", 10)
    found = Directory(somebody(number, type="rare" if number in {25, 26, 58} else "") for number in range(1, 61))
    parts = list(pages(found, Find(1, type="rare")))
    assert [[int.from_bytes(entry.profile.key) for entry in part] for part in parts] == [[], [], [25, 26], [], [], [58]]


@pytest.mark.parametrize("near", [None, (0.0, 0.0)], ids=["name", "distance"])
def test_a_forged_cursor_finds_a_page_or_is_refused(near: tuple[float, float] | None) -> None:
    """Noise, other types, text that is none, nesting without end, numbers that are none, one of another order."""
    found = Directory(somebody(number, place=(1.0, 1.0)) for number in range(1, 10))
    _, by_name = found.find(Find(1, limit=1), everybody)
    _, by_distance = found.find(Find(1, limit=1, near=(0.0, 0.0)), everybody)
    wrong = by_distance if near is None else by_name
    forged = [msgspec.msgpack.encode(one) for one in (["", b""], [math.inf, b""], [-1e300, b""], [math.nan, b"x"], [1, b""])]
    for cursor in (*filter(None, POISONS.values()), wrong, *forged, b"\x92\xa2\xff\xff\xc4\x00", b"x" * 10_000):
        try:
            entries, _ = found.find(Find(1, near=near, after=cursor), everybody)
            assert len(entries) <= 9
        except Refused as fault:
            code = fault.code
            assert code == Code.MALFORMED  # either way is right, but this one has a code


# -- places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (1, 0), ROUND / 360),
        ((0, 0), (0, 1), ROUND / 360),
        ((0, 179.5), (0, -179.5), ROUND / 360),
        ((10, 180), (10, -180), 0),
        ((90, 0), (90, 123), 0),
        ((-90, 0), (-90, -180), 0),
        ((90, 0), (89, 50), ROUND / 360),
        ((89.5, 0), (89.5, 180), ROUND / 360),
        ((90, 0), (-90, 0), ROUND / 2),
        ((0, 0), (0, 180), ROUND / 2),
        ((30, 40), (-30, -140), ROUND / 2),
    ],
)
def test_distances_are_right_everywhere(one: tuple[float, float], other: tuple[float, float], metres: float) -> None:
    """Along meridian and equator, across the date line, at and over the poles, to the antipodes."""
    assert metres_between(one, other) == pytest.approx(metres, rel=1e-9, abs=0.1)
    assert metres_between(other, one) == pytest.approx(metres_between(one, other), abs=0.1)


def vector(place: tuple[float, float]) -> tuple[float, float, float]:
    """A place as a point of the unit sphere."""
    latitude, longitude = map(math.radians, place)
    return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)


@given(*[st.tuples(st.floats(-90, 90), st.floats(-180, 180))] * 2)
def test_distances_are_those_of_another_formula(one: tuple[float, float], other: tuple[float, float]) -> None:
    """The angle between two vectors, which knows no meridian, pole or date line."""
    a, b = vector(one), vector(other)
    across = math.hypot(*(x - y for x, y in zip(a, b, strict=True)))
    along = math.hypot(*(x + y for x, y in zip(a, b, strict=True)))
    assert metres_between(one, other) == pytest.approx(2 * EARTH_METRES * math.atan2(across, along), abs=0.2)


def places(step: float) -> st.SearchStrategy[tuple[float, float]]:
    """Places anywhere, with those where formulas break among them."""
    edges = st.tuples(
        st.sampled_from([-90.0, -89.99, 0.0, 89.99, 90.0]), st.sampled_from([-180.0, -179.99, 0.0, 179.99, 180.0])
    )
    grid = st.tuples(st.integers(-9, 9), st.integers(-18, 18)).map(lambda at: (at[0] * step, at[1] * step))
    return st.one_of(edges, grid, st.tuples(st.floats(-90, 90), st.floats(-180, 180)))


@given(
    st.lists(places(10.0), max_size=30),
    places(10.0),
    st.one_of(st.just(0.0), st.floats(0, 2.1e7), st.sampled_from([ROUND / 360, ROUND / 36, 1e300])),
    st.integers(1, 6),
)
def test_a_search_near_a_place_is_as_if_all_were_measured(
    there: list[tuple[float, float]], near: tuple[float, float], radius: float, limit: int
) -> None:
    """The same entries, order and distances, page by page, whatever was left out as too far north or south."""
    found = Directory(somebody(number, place=place) for number, place in enumerate(there, 1))
    measured = sorted((metres_between(near, place), key(number)) for number, place in enumerate(there, 1))
    expected = [one for one in measured if not radius or one[0] <= radius]
    entries = [entry for page in pages(found, Find(1, near=near, radius=radius, limit=limit)) for entry in page]
    assert [(entry.distance, entry.profile.key) for entry in entries] == expected


def test_a_place_across_the_date_line_and_over_the_pole_is_near() -> None:
    """What a box of longitudes would miss."""
    found = Directory([somebody(1, place=(0.0, -179.9)), somebody(2, place=(89.9, 180.0)), somebody(3, place=(0.0, 178.0))])
    assert numbers(found, Find(1, near=(0.0, 179.9), radius=50_000)) == [1]
    assert numbers(found, Find(1, near=(89.9, 0.0), radius=50_000)) == [2]


@pytest.mark.parametrize(
    ("near", "radius"),
    [((bad, good), 1.0) for bad, good in ((math.nan, 0.0), (math.inf, 0.0), (90.1, 0.0))]
    + [((0.0, bad), 1.0) for bad in (math.nan, -math.inf, 180.1)]
    + [((0.0, 0.0), bad) for bad in (math.nan, math.inf, -1.0, -math.inf)],
)
def test_a_place_that_there_is_not_cannot_be_searched(near: tuple[float, float], radius: float) -> None:
    """Infinite, undefined and impossible numbers."""
    with pytest.raises(Refused) as fault:
        Directory([somebody(1, place=(0.0, 0.0))]).find(Find(1, near=near, radius=radius), everybody)
    assert fault.value.code == Code.MALFORMED


def test_a_search_near_a_place_stops_when_nothing_can_be_nearer() -> None:
    """It looks at some of many; where it would have to look at too many it says so, and a radius helps."""
    found = Directory(
        somebody(number, place=(number % 1000 / 10 - 50, number // 1000 * 10.0))
        for number in range(directory.LOOKED_AROUND + 500)
    )
    found.find(Find(1, near=(3.0, 40.0), limit=5), everybody)
    assert found.looked_at < 300
    with pytest.raises(Refused) as fault:
        found.find(Find(1, near=(3.0, 40.0), type="rare"), everybody)
    assert fault.value.code == Code.TOO_MANY
    assert numbers(found, Find(1, near=(3.0, 40.0), type="rare", radius=100_000)) == []


# -- profiles ---------------------------------------------------------------------------------------


GOOD = Profile(b"k" * 32, "service", "chat", "name")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "device"},
        {"kind": "identity"},
        {"type": "", "name": "", "alias": ""},
        {"type": "ß" * TEXT_CHARACTERS, "name": "界" * TEXT_CHARACTERS, "alias": "é" * TEXT_CHARACTERS},
        {"extra": bytes(EXTRA_BYTES)},
        {"place": (90, 180)},
        {"place": (-90.0, -180.0)},
        {"place": (0.0, 0.0)},
        {"place": (-0.0, 5e-324)},
    ],
)
def test_a_profile_at_its_limits_is_taken(change: dict[str, Any]) -> None:
    """Each size and value up to its limit, that one included."""
    profile = msgspec.structs.replace(GOOD, **change)
    assert checked_profile(profile) is profile


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": b"k" * 31}, "32 bytes"),
        ({"key": b"k" * 33}, "32 bytes"),
        ({"key": b""}, "32 bytes"),
        ({"kind": ""}, "a device, a service or an identity"),
        ({"kind": "Device"}, "a device, a service or an identity"),
        ({"kind": "x" * 100_000}, "a device, a service or an identity"),
        ({"type": "x" * 201}, "type has more than 200"),
        ({"name": "x" * 201}, "name has more than 200"),
        ({"alias": "x" * 201}, "alias has more than 200"),
        ({"extra": bytes(1025)}, "more than 1024 bytes"),
        *[
            ({"place": place}, "a place is")
            for bad in (math.nan, math.inf, -math.inf, 1e300)
            for place in ((bad, 0.0), (0.0, bad), (bad, bad))
        ],
        ({"place": (math.nextafter(90, 91), 0.0)}, "a place is"),
        ({"place": (0.0, math.nextafter(-180, -181))}, "a place is"),
    ],
)
def test_a_profile_beyond_its_limits_is_refused(change: dict[str, Any], said: str) -> None:
    """Each size and value just beyond, with its reason, which repeats nothing long."""
    with pytest.raises(Refused, match=said) as fault:
        checked_profile(msgspec.structs.replace(GOOD, **change))
    assert fault.value.code == Code.MALFORMED
    assert len(fault.value.why) < 200
