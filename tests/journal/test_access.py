"""Links work once, sessions for as long as they are used, tokens until they are taken back; secrets are kept nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from watchkeeper.errors import Refused
from watchkeeper.journal import Journal, open_journal
from watchkeeper.journal.access import HOUR, LINK_LIFE, SESSION_LIFE, Bearer, new_secret

NOW = 1_760_000_000_000


async def test_a_link_works_once(journal: Journal) -> None:
    """The first to show it gets a session and leaves an audit row; the second is refused."""
    link = await journal.access.add_link(NOW)
    secret, who = await journal.access.redeem(link, NOW + 1, "10.0.0.9")
    assert who == Bearer("admin", "admin")
    assert await journal.access.session(secret, NOW + 2) == who
    with pytest.raises(Refused) as refused:
        await journal.access.redeem(link, NOW + 3, "10.0.0.10")
    assert refused.value.code == "bad-sign-in"
    entries = [(entry.by, entry.peer, entry.what) for entry in await journal.audit.newest()]
    assert entries == [("admin", "10.0.0.9", "sign-in")]


async def test_a_link_shown_many_times_at_once_lets_one_in(journal: Journal) -> None:
    """A race for one link has one winner."""
    link = await journal.access.add_link(NOW)
    tries = await asyncio.gather(*(journal.access.redeem(link, NOW, "") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, tuple) for one in tries) == 1
    assert sum(isinstance(one, Refused) for one in tries) == 19


async def test_a_link_has_an_hour(journal: Journal) -> None:
    """One moment before its end it works, at its end no more."""
    early, late = await journal.access.add_link(NOW), await journal.access.add_link(NOW)
    await journal.access.redeem(early, NOW + LINK_LIFE - 1, "")
    with pytest.raises(Refused):
        await journal.access.redeem(late, NOW + LINK_LIFE, "")


@pytest.mark.parametrize("made_up", ["", "x", "' OR 1=1 --", "\ud800", "ü" * 1000])
async def test_a_made_up_secret_opens_nothing(journal: Journal, made_up: str) -> None:
    """Neither as a link nor as a session nor as a token; and all refusals sound the same."""
    await journal.access.add_link(NOW)
    await journal.access.put_token("ci", "viewer", new_secret(), NOW)
    with pytest.raises(Refused, match="used or is too old"):
        await journal.access.redeem(made_up, NOW, "")
    assert await journal.access.session(made_up, NOW) is None
    assert await journal.access.token(made_up) is None


async def test_one_kind_of_secret_is_no_other(journal: Journal) -> None:
    """A link is no session, a session no token, a token no link."""
    link = await journal.access.add_link(NOW)
    assert await journal.access.session(link, NOW) is None
    assert await journal.access.token(link) is None
    session, _ = await journal.access.redeem(link, NOW, "")
    assert await journal.access.token(session) is None
    token = new_secret()
    await journal.access.put_token("ci", "admin", token, NOW)
    assert await journal.access.session(token, NOW) is None
    for secret in (session, token):
        with pytest.raises(Refused):
            await journal.access.redeem(secret, NOW, "")


async def test_the_first_link_is_for_as_long_as_nobody_came(journal: Journal) -> None:
    """A new hub greets with a link at each start until somebody has signed in."""
    first = await journal.access.first_link(NOW)
    second = await journal.access.first_link(NOW + 1)
    assert first
    assert second
    assert first != second
    await journal.access.redeem(first, NOW + 2, "")
    assert not await journal.access.first_link(NOW + 3)


async def test_a_session_ends_without_use_and_lives_with_it(journal: Journal) -> None:
    """Used within its life it goes on; unused it ends to the millisecond."""
    one, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    other, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    assert await journal.access.session(one, NOW + SESSION_LIFE - 1)
    assert await journal.access.session(one, NOW + 2 * SESSION_LIFE - 2)
    assert await journal.access.session(other, NOW + SESSION_LIFE) is None
    soon, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    assert await journal.access.session(soon, NOW + HOUR)
    assert await journal.access.session(soon, NOW + SESSION_LIFE) is None


async def test_signing_out_ends_this_session_alone(journal: Journal) -> None:
    """The other browser stays in; doing it twice is harmless."""
    one, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    other, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    await journal.access.end_session(one)
    await journal.access.end_session(one)
    assert await journal.access.session(one, NOW) is None
    assert await journal.access.session(other, NOW)


async def test_tokens_by_name(journal: Journal) -> None:
    """A token says its name and kind; a new one of that name ends the old; taken back, it is nothing."""
    old, new = new_secret(), new_secret()
    await journal.access.put_token("ci", "viewer", old, NOW)
    await journal.access.put_token("ci", "viewer", old, NOW)
    assert await journal.access.token(old) == Bearer("ci", "viewer", token=True)
    await journal.access.put_token("ci", "link", new, NOW)
    assert await journal.access.token(old) is None
    assert await journal.access.token(new) == Bearer("ci", "link", token=True)
    await journal.access.put_token("other", "admin", new, NOW)
    assert await journal.access.token(new) == Bearer("other", "admin", token=True)
    assert not await journal.access.end_token("ci")
    assert await journal.access.end_token("other")
    assert await journal.access.token(new) is None


def contents(folder: Path) -> bytes:
    """All that lies in a folder."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


async def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    """Whoever reads the journal's files can sign in with nothing that they hold."""
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        link, token = await journal.access.add_link(NOW), new_secret()
        session, _ = await journal.access.redeem(link, NOW, "")
        unused = await journal.access.add_link(NOW)
        await journal.access.put_token("ci", "admin", token, NOW)
        open_files = {file.name: file.stat().st_mode & 0o077 for file in sorted(tmp_path.glob("*"))}  # a test may wait
        kept = contents(tmp_path)
    kept += contents(tmp_path)
    assert open_files == {"journal.db": 0, "journal.db-shm": 0, "journal.db-wal": 0}
    for secret in (link, session, unused, token):
        assert len(secret) >= 43
        assert secret.encode() not in kept


async def test_what_has_ended_is_forgotten(journal: Journal) -> None:
    """Pruning drops what is over, never what still lets somebody in."""
    session, _ = await journal.access.redeem(await journal.access.add_link(NOW), NOW, "")
    link = await journal.access.add_link(NOW + HOUR)
    await journal.access.drop_ended(NOW + HOUR + 1)
    assert await journal.access.session(session, NOW + HOUR + 1)
    await journal.access.redeem(link, NOW + HOUR + 1, "")
    await journal.access.drop_ended(NOW + 3 * SESSION_LIFE)
    assert await journal.access.session(session, NOW + HOUR + 1) is None
