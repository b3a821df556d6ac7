"""Coming in by password, code or passkey: who may try how often, and what each failure says and leaves behind.

Tries are counted by address and by name before they are checked. Failures sound alike, whether a name is known or not; the
audit names whom it was about only if there is such a person, because people type passwords into the wrong field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from watchkeeper.errors import Refused
from watchkeeper.journal.access import Bearer, Entrance, Method
from watchkeeper.journal.audit import Entry
from watchkeeper.journal.people import PersonRow
from watchkeeper.web import codes, passkeys
from watchkeeper.web.access import Failures
from watchkeeper.web.desk import Desk
from watchkeeper.web.passkeys import Ceremonies, Place
from watchkeeper.web.passwords import Passwords


def _guesses() -> Failures:
    return Failures(allowed=20, window=300.0)


def _wrong_codes() -> Failures:
    return Failures(allowed=5, window=900.0)  # at this pace, half a chance for six digits takes three years


@dataclass(frozen=True)
class Door:
    """What coming in needs to remember between two requests; it lives as long as the web.

    `failures` counts by address, `guesses` and `wrong_codes` by name; `pending` are keys for codes that nobody has proved yet.
    """

    failures: Failures = field(default_factory=Failures)
    guesses: Failures = field(default_factory=_guesses)
    wrong_codes: Failures = field(default_factory=_wrong_codes)
    passwords: Passwords = field(default_factory=Passwords)
    ceremonies: Ceremonies = field(default_factory=Ceremonies)
    pending: dict[str, str] = field(default_factory=dict)

    def may_try(self, now: float, peer: str, name: str = "") -> None:
        """Raise `Refused` (``too-many-failures``) for who failed too often; `now` is monotonic seconds."""
        wait = max(self.failures.wait(peer, now), self.guesses.wait(name, now) if name else 0.0)
        if wait:
            raise Refused(f"too many failed sign-ins; try again in {wait:.0f} s", code="too-many-failures")

    async def by_password(self, desk: Desk, said: tuple[str, str, str], entrance: Entrance, at: int) -> tuple[str, Bearer]:
        """A session for who says the right (name, password, code); raises `Refused`: ``bad-sign-in``, ``code-wanted``, …"""
        name, password, code = said
        now = desk.clock.monotonic()
        self.may_try(now, entrance.peer, name)
        self.failures.add(entrance.peer, now)
        self.guesses.add(name, now)
        person = await desk.journal.people.find(name)
        kept = person.password if person else ""
        fresh = await self.passwords.check(kept, password)
        if fresh is None or person is None or not kept:
            await self._failed(desk, person, entrance, at, "password")
            raise Refused("this name and password do not belong together", code="bad-sign-in")
        self.failures.forgive(entrance.peer)
        self.guesses.forgive(name)
        method: Method = "password"
        if person.totp:
            if not code.strip():
                raise Refused("the code from your authenticator app is needed too", code="code-wanted")
            await self.use_code(desk, person, code, entrance, at)
            method = "password and code"
        if fresh:
            await desk.journal.people.rehash(name, kept, fresh)
        return await desk.journal.people.enter(name, entrance._replace(method=method), at)

    async def use_code(self, desk: Desk, person: PersonRow, code: str, entrance: Entrance, at: int) -> None:
        """Take a person's one-time code; raises `Refused` (``bad-sign-in``, ``too-many-failures``)."""
        now = desk.clock.monotonic()
        if wait := self.wrong_codes.wait(person.name, now):
            raise Refused(f"too many wrong codes; try again in {wait / 60:.0f} min", code="too-many-failures")
        self.wrong_codes.add(person.name, now)
        step = codes.matching_step(person.totp, code, at)
        if not step or not await desk.journal.people.use_code(person.name, step):
            self.failures.add(entrance.peer, now)
            await self._failed(desk, person, entrance, at, "code")
            raise Refused("this code is wrong, or was used already: wait for the next one", code="bad-sign-in")
        self.wrong_codes.forgive(person.name)

    async def by_passkey(
        self, desk: Desk, here: Place, answer: dict[str, Any], entrance: Entrance, at: int
    ) -> tuple[str, Bearer]:
        """A session for whose passkey signed what it was asked; raises `Refused`: ``bad-sign-in``, ``too-many-failures``."""
        now = desk.clock.monotonic()
        self.may_try(now, entrance.peer)
        self.failures.add(entrance.peer, now)
        ceremony = self.ceremonies.take(answer, "", now)
        passkey = await desk.journal.people.passkey(str(answer.get("id", ""))[:2000])
        if passkey is None:
            raise Refused("this passkey belongs to nobody here", code="bad-sign-in")
        try:
            count = passkeys.proved(here, ceremony, answer, passkey)
        except Refused:
            await self._failed(desk, await desk.journal.people.find(passkey.person), entrance, at, "passkey")
            raise
        self.failures.forgive(entrance.peer)
        await desk.journal.people.use_passkey(passkey.id, count, at)
        return await desk.journal.people.enter(passkey.person, entrance._replace(method="passkey"), at)

    async def _failed(self, desk: Desk, person: PersonRow | None, entrance: Entrance, at: int, what: str) -> None:
        about = person.name if person else ""
        await desk.journal.audit.add(Entry(at, "somebody", entrance.peer, "failed-sign-in", about, f"wrong {what}"))
