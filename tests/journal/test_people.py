"""People come, change and go; what proved them goes with them, an admin stays, and every change says who made it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from watchkeeper.errors import Refused
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.access import HOUR, SESSION_LIFE, Asker, Bearer, Entrance, digest, new_secret, session_id
from watchkeeper.journal.migrations import MIGRATIONS
from watchkeeper.journal.people import MOST_PASSKEYS, Passkey

NOW = 1_760_000_000_000
WHO = Asker("boss", "10.0.0.9", NOW)


def passkey(number: int, person: str) -> Passkey:
    """Some passkey."""
    return Passkey(f"key{number}", person, "phone", "cHVi", 0, NOW + number, 0)


async def test_a_person_comes_and_goes(journal: Journal) -> None:
    """Role, sessions and passkeys are told; with the person all of it goes, and the audit says who did what."""
    await journal.people.add("ann", "operator", WHO, "$hash")
    await journal.people.add("eve", "admin", WHO)
    secret, who = await journal.people.enter("ann", Entrance("password", "10.0.0.1", "Firefox"), NOW)
    assert who == Bearer("ann", "operator")
    await journal.people.add_passkey(passkey(1, "ann"), WHO)
    link = await journal.access.add_link(NOW, "ann")
    (ann, keys, sessions), _ = await journal.people.all(NOW)
    assert (ann.name, ann.role, ann.entered_at, keys, sessions) == ("ann", "operator", NOW, 1, 1)
    (session,) = await journal.access.sessions(NOW, "ann")
    assert (session.method, session.peer, session.browser) == ("password", "10.0.0.1", "Firefox")
    await journal.people.remove("ann", WHO)
    assert await journal.access.session(secret, NOW) is None
    assert await journal.people.passkey("key1") is None
    with pytest.raises(Refused):
        await journal.access.redeem(link, NOW, "")
    told = {(entry.what, entry.about) for entry in await journal.audit.newest() if entry.by == "boss"}
    assert told == {("add-person", "ann"), ("add-person", "eve"), ("add-passkey", "ann"), ("remove-person", "ann")}


async def test_a_new_role_holds_in_sessions_that_are_open(journal: Journal) -> None:
    """Nobody has to sign in again to lose or gain a right."""
    await journal.people.add("ann", "viewer", WHO)
    secret, _ = await journal.people.enter("ann", Entrance(), NOW)
    await journal.people.set_role("ann", "operator", WHO)
    assert await journal.access.session(secret, NOW) == Bearer("ann", "operator")


async def test_one_admin_who_can_come_in_stays(journal: Journal) -> None:
    """The last one is neither removed nor made less; an admin who has never come in does not count as another."""
    await journal.people.add("ann", "admin", WHO)
    await journal.people.add("new", "admin", WHO)
    await journal.people.enter("ann", Entrance(), NOW)
    for change in (journal.people.remove("ann", WHO), journal.people.set_role("ann", "viewer", WHO)):
        with pytest.raises(Refused) as refused:
            await change
        assert refused.value.code == "last-admin"
    await journal.people.enter("new", Entrance(), NOW)
    await journal.people.set_role("ann", "viewer", WHO)


async def test_a_new_password_ends_the_other_sessions(journal: Journal) -> None:
    """Who changed it stays in; everybody else who was in by the old one is out."""
    await journal.people.add("ann", "viewer", WHO)
    mine, _ = await journal.people.enter("ann", Entrance(), NOW)
    other, _ = await journal.people.enter("ann", Entrance(), NOW)
    await journal.people.set_password("ann", "$new", WHO, keeps=session_id(digest(mine)))
    assert await journal.access.session(mine, NOW)
    assert await journal.access.session(other, NOW) is None


async def test_a_code_works_once(journal: Journal) -> None:
    """Of many who show the same one at once a single one gets in, and an older one works no more."""
    await journal.people.add("ann", "viewer", WHO)
    await journal.people.set_totp("ann", "KEY", 100, WHO)
    tries = await asyncio.gather(*(journal.people.use_code("ann", 101) for _ in range(20)))
    assert sum(tries) == 1
    assert not await journal.people.use_code("ann", 100)
    assert await journal.people.use_code("ann", 102)


async def test_a_reset_takes_everything_but_the_person(journal: Journal) -> None:
    """For a lost phone: password, codes, passkeys and sessions are gone, name and role stay."""
    await journal.people.add("ann", "operator", WHO, "$hash")
    await journal.people.set_totp("ann", "KEY", 1, WHO)
    await journal.people.add_passkey(passkey(1, "ann"), WHO)
    secret, _ = await journal.people.enter("ann", Entrance(), NOW)
    await journal.people.reset("ann", WHO)
    found = await journal.people.find("ann")
    assert found
    assert (found.role, found.password, found.totp) == ("operator", "", "")
    assert await journal.people.passkeys("ann") == ()
    assert await journal.access.session(secret, NOW) is None


async def test_passkeys_belong_to_one_person_and_are_few(journal: Journal) -> None:
    """Nobody takes away another's, the same is not kept twice, and there is an end to how many."""
    await journal.people.add("ann", "viewer", WHO)
    await journal.people.add("eve", "viewer", WHO)
    for number in range(MOST_PASSKEYS):
        await journal.people.add_passkey(passkey(number, "ann"), WHO)
    for one, code in ((passkey(1, "eve"), "taken"), (passkey(99, "ann"), "too-many")):
        with pytest.raises(Refused) as refused:
            await journal.people.add_passkey(one, WHO)
        assert refused.value.code == code
    with pytest.raises(Refused):
        await journal.people.remove_passkey("eve", "key1", WHO)
    await journal.people.remove_passkey("ann", "key1", WHO)
    assert len(await journal.people.passkeys("ann")) == MOST_PASSKEYS - 1


@pytest.mark.parametrize("name", ["ann", "ANN", "ci", "Ci"])
async def test_a_name_is_one_persons_or_one_tokens(journal: Journal, name: str) -> None:
    """The audit tells both by their names, so no two may be taken for one another, in any spelling."""
    await journal.people.add("ann", "viewer", WHO)
    await journal.access.add_token("ci", "viewer", new_secret(), WHO)
    for attempt in (journal.people.add(name, "viewer", WHO), journal.access.add_token(name, "viewer", new_secret(), WHO)):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code == "taken"


async def test_nobody_is_changed_who_is_not_there(journal: Journal) -> None:
    """Each change of an unknown person is refused by that name."""
    people = journal.people
    for attempt in (
        people.remove("eve", WHO),
        people.set_role("eve", "viewer", WHO),
        people.set_password("eve", "$", WHO),
        people.set_totp("eve", "K", 1, WHO),
        people.reset("eve", WHO),
        people.enter("eve", Entrance(), NOW),
        people.add_passkey(passkey(1, "eve"), WHO),
        journal.access.add_link(NOW, "eve"),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code == "unknown-person"


async def test_sessions_are_ended_by_name_and_by_person(journal: Journal) -> None:
    """One of somebody's, only if it is theirs; all but one; all."""
    for name in ("ann", "eve"):
        await journal.people.add(name, "viewer", WHO)
        for second in range(3):
            await journal.people.enter(name, Entrance(), NOW + second)
    newest, *_ = await journal.access.sessions(NOW, "ann")
    assert await journal.access.end_sessions(WHO, "eve", newest.id) == 0
    assert await journal.access.end_sessions(WHO, "ann", newest.id) == 1
    kept, *_ = await journal.access.sessions(NOW, "ann")
    assert await journal.access.end_sessions(WHO, "ann", but=kept.id) == 1
    assert [one.id for one in await journal.access.sessions(NOW, "ann")] == [kept.id]
    assert await journal.access.end_sessions(WHO, "eve") == 3
    assert await journal.access.end_sessions(WHO) == 0
    assert len(await journal.access.sessions(NOW)) == 1


async def test_a_token_ends_and_says_when_it_was_used(journal: Journal) -> None:
    """To the millisecond; one without an end lasts; use is noted once an hour; a month after its end it is forgotten."""
    short, long = new_secret(), new_secret()
    await journal.access.add_token("short", "operator", short, WHO, NOW + 1000)
    await journal.access.add_token("long", "link", long, WHO)
    assert await journal.access.token(short, NOW + 999) == Bearer("short", "operator", token=True)
    assert await journal.access.token(short, NOW + 1000) is None
    assert await journal.access.token(long, NOW + 10 * SESSION_LIFE)
    listed = {one.name: one for one in await journal.access.tokens()}
    assert (listed["short"].used_at, listed["short"].made_by) == (NOW + 999, "boss")
    await journal.access.token(short, NOW + 999 - HOUR // 2)
    await journal.access.drop_ended(NOW + 1000 + SESSION_LIFE)
    assert [one.name for one in await journal.access.tokens()] == ["long"]


async def test_a_token_is_taken_back(journal: Journal) -> None:
    """It is nothing at once; one that is not there is said to be so; the hub's own are in its files."""
    secret = new_secret()
    await journal.access.add_token("ci", "admin", secret, WHO)
    await journal.access.revoke_token("ci", WHO)
    assert await journal.access.token(secret, NOW) is None
    for name, code in (("ci", "unknown-token"), ("local", "configured")):
        with pytest.raises(Refused) as refused:
            await journal.access.revoke_token(name, WHO)
        assert refused.value.code == code


async def test_no_proof_is_in_a_name_or_a_traceback(journal: Journal) -> None:
    """What is printed of a person says nothing that proves them."""
    await journal.people.add("ann", "viewer", WHO, "$argon2id$secret")
    await journal.people.set_totp("ann", "TOTPKEY", 1, WHO)
    found = await journal.people.find("ann")
    assert "secret" not in repr(found)
    assert "TOTPKEY" not in repr(found)
    assert "TOTPKEY" not in repr(await journal.audit.newest())


async def test_an_older_journal_keeps_its_sessions_and_tokens(tmp_path: Path) -> None:
    """What was there before people had passwords still lets in; a token that could read is a viewer's."""
    path, link, token = tmp_path / "journal.db", "", new_secret()
    async with open_journal(path) as journal:
        link = await journal.access.add_link(NOW)
        await journal.access.put_token("ci", "viewer", token, NOW)
    with sqlite3.connect(path) as old:  # back to the schema of before, as far as these rows go
        for table, columns in (
            ("people", ("password", "totp", "totp_step")),
            ("sessions", ("method", "peer", "browser")),
            ("tokens", ("expires_at", "made_by", "used_at")),
        ):
            for column in columns:
                old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("DROP TABLE passkeys")
        old.execute("UPDATE tokens SET kind = 'read'")
        before = next(number for number, text in enumerate(MIGRATIONS) if "CREATE TABLE passkeys" in text)
        old.execute("UPDATE journal_version SET version = ?", (before,))
    old.close()
    async with open_journal(path) as journal:
        assert await journal.access.token(token, NOW) == Bearer("ci", "viewer", token=True)
        secret, who = await journal.access.redeem(link, NOW + 1, "10.0.0.1")
        assert who == Bearer("admin", "admin")
        assert await journal.access.session(secret, NOW + 2) == who
