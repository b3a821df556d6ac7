"""Who and what can be found: profiles by key, searched by kind, type, text, owner and place, a page at a time.

Everything is held in memory; `relay` writes changes to the mailbox's file, so that a restart forgets nobody. A page goes on
behind a *place in the order*, not behind a number: whoever comes or goes in between makes no entry appear twice or be missed.
Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from cloudnet.codes import Code
from cloudnet.errors import Refused
from cloudnet.packets import EXTRA_BYTES, KEY_BYTES, PAGE, TEXT_CHARACTERS, Entry, Find, Profile

PROFILE_BYTES = 1000
"""What a profile takes in memory beside its texts and extra bytes."""
LOOKED_AT = 5000
"""How many profiles a search by name looks at before it answers with what it has, and a cursor to go on from."""
LOOKED_AROUND = 10_000
"""How many profiles a search by distance looks at before it asks for a smaller radius; that takes 35 ms."""
EARTH_METRES = 6_371_008.8
_METRES_PER_DEGREE = EARTH_METRES * math.pi / 180


class Directory:
    """All profiles, in the order of their names."""

    def __init__(self, profiles: Iterable[Profile] = ()) -> None:
        """With those of an earlier run."""
        self._by_key: dict[bytes, Profile] = {}
        self._by_name: list[tuple[str, bytes]] = []
        self._by_latitude: list[tuple[float, bytes]] = []
        self._by_device: dict[bytes, set[bytes]] = {}
        self.bytes = 0
        """About what all of it takes in memory."""
        self.looked_at = 0
        """How many profiles the last search has looked at: what it has cost."""
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
        self.bytes += size(profile)
        insort(self._by_name, (profile.name.casefold(), profile.key))
        if profile.place:
            insort(self._by_latitude, (profile.place[0], profile.key))
        self._by_device.setdefault(profile.device, set()).add(profile.key)

    def remove(self, key: bytes) -> bool:
        """Forget one; False when it was not there."""
        profile = self._by_key.pop(key, None)
        if profile is None:
            return False
        self.bytes -= size(profile)
        _drop(self._by_name, (profile.name.casefold(), key))
        if profile.place:
            _drop(self._by_latitude, (profile.place[0], key))
        mine = self._by_device[profile.device]
        mine.discard(key)
        if not mine:
            del self._by_device[profile.device]
        return True

    def growth(self, profiles: Iterable[Profile]) -> int:
        """By how many bytes it would grow if these were put into it; less than 0 when they replace larger ones."""
        fresh = {profile.key: profile for profile in profiles}
        replaced = (self._by_key[key] for key in fresh if key in self._by_key)
        return sum(map(size, fresh.values())) - sum(map(size, replaced))

    def keys_of(self, device: bytes) -> frozenset[bytes]:
        """The keys that a device answers for."""
        return frozenset(self._by_device.get(device, ()))

    def remove_all(self, device: bytes) -> None:
        """Forget all profiles of a device."""
        for key in self.keys_of(device):
            self.remove(key)

    def find(self, query: Find, is_present: Callable[[bytes], bool]) -> tuple[tuple[Entry, ...], bytes]:
        """A page of what fits, and the cursor to the next, empty behind the last; raises Refused for what cannot be asked."""
        self.looked_at = 0
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
            self.looked_at += 1
            profile = self._by_key[self._by_name[place][1]]
            if _fits(query, profile, is_present):
                found.append(Entry(profile, is_present(profile.device)))
                if len(found) == query.limit:
                    break
        is_last = place >= len(self._by_name) - 1
        return tuple(found), b"" if is_last else msgspec.msgpack.encode(self._by_name[place])

    def _nearest(self, query: Find, is_present: Callable[[bytes], bool]) -> tuple[tuple[Entry, ...], bytes]:
        """Sorted by distance, then key. Looks from the place's latitude outwards, until nothing further out can be nearer."""
        assert query.near is not None
        latitude, longitude = query.near
        if not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= query.radius < math.inf):
            raise Refused("near is a latitude and a longitude in degrees, radius metres", Code.MALFORMED)
        after = _distance_cursor(query.after) if query.after else (-1.0, b"")
        best: list[tuple[float, bytes]] = []
        for least, key in self._outward(latitude, query.radius or math.inf):
            if len(best) > query.limit and best[-1][0] < least:
                break
            self.looked_at += 1
            if self.looked_at > LOOKED_AROUND:
                raise Refused(f"more than {LOOKED_AROUND} profiles lie around there: ask for a smaller radius", Code.TOO_MANY)
            profile = self._by_key[key]
            assert profile.place is not None
            distance = metres_between(query.near, profile.place)
            fits = (not query.radius or distance <= query.radius) and (distance, key) > after
            if fits and _fits(query, profile, is_present):
                insort(best, (distance, key))
                del best[query.limit + 1 :]
        page = best[: query.limit]
        entries = tuple(Entry(self._by_key[key], is_present(self._by_key[key].device), distance) for distance, key in page)
        return entries, b"" if len(best) <= query.limit else msgspec.msgpack.encode(page[-1])

    def _outward(self, latitude: float, radius: float) -> Iterator[tuple[float, bytes]]:
        """Keys by how far their latitude is off, up to `radius` metres, each with the least that its distance can be.

        A meridian is the shortest way to another parallel, so no distance is less than that of the latitudes; less a little,
        since both are rounded (near the antipodes by some centimetres).
        """
        order = self._by_latitude
        high = bisect_left(order, (latitude, b""))
        low = high - 1
        while True:
            below = latitude - order[low][0] if low >= 0 else math.inf
            above = order[high][0] - latitude if high < len(order) else math.inf
            least = min(below, above) * _METRES_PER_DEGREE * (1 - 1e-7) - 1e-6
            if least > radius or least == math.inf:
                return
            if below <= above:
                yield least, order[low][1]
                low -= 1
            else:
                yield least, order[high][1]
                high += 1


def size(profile: Profile) -> int:
    """About how many bytes of memory a profile takes; its name stands in the order as well."""
    texts = profile.type, profile.name, profile.name, profile.alias
    return PROFILE_BYTES + sum(len(text.encode()) for text in texts) + len(profile.extra)


def checked_profile(profile: Profile) -> Profile:
    """The profile, if its sizes and values are as described; raises Refused (``malformed``)."""
    texts: Sequence[tuple[str, str]] = (("type", profile.type), ("name", profile.name), ("alias", profile.alias))
    why = ""
    if len(profile.key) != KEY_BYTES:
        why = f"a key has {KEY_BYTES} bytes, not {len(profile.key)}"
    elif profile.kind not in {"device", "service", "identity"}:
        why = f"a profile is a device, a service or an identity, not {profile.kind[:40]!r}"
    elif long := next((name for name, text in texts if len(text) > TEXT_CHARACTERS), ""):
        why = f"{long} has more than {TEXT_CHARACTERS} characters"
    elif len(profile.extra) > EXTRA_BYTES:
        why = f"extra data has more than {EXTRA_BYTES} bytes"
    elif profile.place and not (abs(profile.place[0]) <= 90 and abs(profile.place[1]) <= 180):
        why = "a place is a latitude from -90 to 90 and a longitude from -180 to 180"
    if why:
        raise Refused(why, Code.MALFORMED)
    return profile


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
    return _cursor(cursor, tuple[str, bytes])  # type: ignore[return-value]  # `_cursor` has checked it against this very type


def _distance_cursor(cursor: bytes) -> tuple[float, bytes]:
    return _cursor(cursor, tuple[float, bytes])  # type: ignore[return-value]  # `_cursor` has checked it against this very type


def _cursor(cursor: bytes, wanted: object) -> object:
    try:
        return msgspec.msgpack.decode(cursor, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("after is no cursor of ours", Code.MALFORMED) from None
