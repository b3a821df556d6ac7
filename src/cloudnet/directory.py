"""Who and what can be found: profiles by key, searched by kind, type, text, owner and place, a page at a time.

Everything is held in memory; `relay` writes changes to the mailbox's file, so that a restart forgets nobody. A page goes on
behind a *place in the order*, not behind a number: whoever comes or goes in between makes no entry appear twice or be missed.
Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator

import msgspec

from cloudnet.errors import Refused
from cloudnet.packets import PAGE, TEXT_CHARACTERS, Code, Entry, Find, Profile

LOOKED_AT = 5000
"""How many profiles one search looks at before it answers with what it has, and a cursor to go on from."""
EARTH_METRES = 6_371_008.8
_METRES_PER_DEGREE = EARTH_METRES * math.pi / 180


class Directory:
    """All profiles, in the order of their names."""

    def __init__(self, profiles: Iterable[Profile] = ()) -> None:
        """With those of an earlier run."""
        self._by_key: dict[bytes, Profile] = {}
        self._by_name: list[tuple[str, bytes]] = []
        self._by_latitude: list[tuple[float, bytes]] = []
        for profile in profiles:
            self.put(profile)

    def __len__(self) -> int:
        return len(self._by_key)

    def profile(self, key: bytes) -> Profile | None:
        """What is registered under a key."""
        return self._by_key.get(key)

    def put(self, profile: Profile) -> None:
        """Add one, replacing what was under its key."""
        self.remove(profile.key)
        self._by_key[profile.key] = profile
        insort(self._by_name, (profile.name.casefold(), profile.key))
        if profile.place:
            insort(self._by_latitude, (profile.place[0], profile.key))

    def remove(self, key: bytes) -> bool:
        """Forget one; False when it was not there."""
        profile = self._by_key.pop(key, None)
        if profile is None:
            return False
        _drop(self._by_name, (profile.name.casefold(), key))
        if profile.place:
            _drop(self._by_latitude, (profile.place[0], key))
        return True

    def remove_all(self, device: bytes) -> None:
        """Forget all profiles of a device."""
        for key in [key for key, profile in self._by_key.items() if profile.device == device]:
            self.remove(key)

    def find(self, query: Find, is_present: Callable[[bytes], bool]) -> tuple[tuple[Entry, ...], bytes]:
        """A page of what fits, and the cursor to the next, empty behind the last; raises Refused for what cannot be asked."""
        limit = query.limit
        if not 1 <= limit <= PAGE:
            raise Refused(f"a page holds 1 to {PAGE} profiles, not {limit}", Code.MALFORMED)
        if len(query.text) > TEXT_CHARACTERS:
            raise Refused(f"a text of more than {TEXT_CHARACTERS} characters", Code.MALFORMED)
        if query.key:
            found = self._by_key.get(query.key)
            entries = (Entry(found, is_present(found.device)),) if found and _fits(query, found, is_present) else ()
            return entries, b""
        if query.near is not None:
            return self._nearest(query, is_present)
        return self._by_names(query, is_present)

    def _by_names(self, query: Find, is_present: Callable[[bytes], bool]) -> tuple[tuple[Entry, ...], bytes]:
        start = bisect_right(self._by_name, _name_cursor(query.after)) if query.after else 0
        found: list[Entry] = []
        place = start
        for place in range(start, min(start + LOOKED_AT, len(self._by_name))):  # where it stopped is the cursor
            profile = self._by_key[self._by_name[place][1]]
            if _fits(query, profile, is_present):
                found.append(Entry(profile, is_present(profile.device)))
                if len(found) == query.limit:
                    break
        is_last = place >= len(self._by_name) - 1
        return tuple(found), b"" if is_last else msgspec.msgpack.encode(self._by_name[place])

    def _nearest(self, query: Find, is_present: Callable[[bytes], bool]) -> tuple[tuple[Entry, ...], bytes]:
        """All within the radius are looked at, a band of latitudes at most; sorted by distance, then key."""
        assert query.near is not None
        latitude, longitude = query.near
        if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= query.radius < math.inf):
            raise Refused("near is a latitude and a longitude in degrees, radius metres", Code.MALFORMED)
        after = _distance_cursor(query.after) if query.after else (-1.0, b"")
        found: list[tuple[float, bytes]] = []
        for key in self._band(latitude, query.radius):
            profile = self._by_key[key]
            assert profile.place is not None
            distance = metres_between(query.near, profile.place)
            fits = (not query.radius or distance <= query.radius) and (distance, key) > after
            if fits and _fits(query, profile, is_present):
                found.append((distance, key))
        found.sort()
        page = found[: query.limit]
        entries = tuple(Entry(self._by_key[key], is_present(self._by_key[key].device), distance) for distance, key in page)
        return entries, b"" if len(found) <= query.limit else msgspec.msgpack.encode(page[-1])

    def _band(self, latitude: float, radius: float) -> Iterator[bytes]:
        if not radius:
            return (key for _, key in self._by_latitude)
        degrees = radius / _METRES_PER_DEGREE
        first = bisect_left(self._by_latitude, (latitude - degrees, b""))
        last = bisect_right(self._by_latitude, (latitude + degrees, b"\xff" * 33))
        return (key for _, key in self._by_latitude[first:last])


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great-circle distance of two places in degrees (haversine formula, mean radius of the earth)."""
    latitude, longitude, far_latitude, far_longitude = map(math.radians, (*one, *other))
    half = math.sin((far_latitude - latitude) / 2) ** 2
    half += math.cos(latitude) * math.cos(far_latitude) * math.sin((far_longitude - longitude) / 2) ** 2
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, half)))


def _fits(query: Find, profile: Profile, is_present: Callable[[bytes], bool]) -> bool:
    if query.kind and profile.kind != query.kind:
        return False
    if query.type and profile.type != query.type:
        return False
    if query.device and profile.device != query.device:
        return False
    if query.text:
        text = query.text.casefold()
        if text not in profile.name.casefold() and text not in profile.alias.casefold():
            return False
    return not query.present or is_present(profile.device)


def _drop(order: list[tuple[str, bytes]] | list[tuple[float, bytes]], item: tuple[str | float, bytes]) -> None:
    place = bisect_left(order, item)
    assert order[place] == item
    del order[place]


def _name_cursor(cursor: bytes) -> tuple[str, bytes]:
    return _cursor(cursor, tuple[str, bytes])  # type: ignore[return-value]


def _distance_cursor(cursor: bytes) -> tuple[float, bytes]:
    return _cursor(cursor, tuple[float, bytes])  # type: ignore[return-value]


def _cursor(cursor: bytes, wanted: object) -> object:
    try:
        return msgspec.msgpack.decode(cursor, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("after is no cursor of ours", Code.MALFORMED) from None
