"""Secrets are found where they may be, roles let in whom they should, and failing often costs time."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.errors import Failed, Refused
from watchkeeper.journal import open_journal
from watchkeeper.journal.access import Bearer
from watchkeeper.web import access
from watchkeeper.web.access import COOKIE, SECRET_CHARS, Failures


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("abc", ""),
        ("", ""),
        ("Bearer", ""),
        ("Bearer " + "x" * SECRET_CHARS, "x" * SECRET_CHARS),
        ("Bearer " + "x" * (SECRET_CHARS + 1), ""),
    ],
)
def test_bearer_secret(header: str, secret: str) -> None:
    """A token comes after the word Bearer, and is no longer than ours are."""
    assert access.bearer_secret(header) == secret


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (f"{COOKIE}=abc", "abc"),
        (f"a=b; {COOKIE}=abc; c=d", "abc"),
        (f'{COOKIE}="abc"', "abc"),
        ("other=abc", ""),
        (f"x{COOKIE}=abc", ""),
        ("", ""),
        (f"{COOKIE}=", ""),
        (f"{COOKIE}=" + "x" * (SECRET_CHARS + 1), ""),
        (f"{COOKIE}=abc; pad=" + "x" * 9000, ""),
        (f"é=1; {COOKIE}", ""),
    ],
)
def test_cookie_secret(header: str, secret: str) -> None:
    """Our cookie among others; anything malformed is none."""
    assert access.cookie_secret(header) == secret


def test_the_cookie_is_for_our_page_alone() -> None:
    """No script reads it, no other site sends it, and it goes over https alone where we are reached so."""
    plain = access.cookie("abc", secure=False)
    assert plain.startswith(f"{COOKIE}=abc; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(plain.split("; "))
    assert "Secure" not in plain
    assert access.cookie("abc", secure=True).endswith("; Secure")
    assert "Max-Age=0" in access.cookie("", secure=False)


@pytest.mark.parametrize(
    ("role", "reads", "acts", "admin"),
    [
        ("admin", True, True, True),
        ("operator", True, True, False),
        ("viewer", True, False, False),
        ("read", False, False, False),
        ("link", False, False, False),
        ("", False, False, False),
        ("root", False, False, False),
    ],
)
def test_what_a_role_may(role: str, reads: bool, acts: bool, admin: bool) -> None:
    """Each role, known or not, by what it asks for."""
    for allowed, asked in ((reads, {"acts": False}), (acts, {"acts": True}), (admin, {"acts": True, "admin": True})):
        who = Bearer("ann", role)
        if allowed:
            assert access.permit(who, **asked) is who
        else:
            with pytest.raises(Refused) as refused:
                access.permit(who, **asked)
            assert refused.value.code == "not-allowed"


def test_nobody_may_nothing() -> None:
    """Without a bearer every door says so."""
    for path in ("/live", "/link"):
        with pytest.raises(Refused) as refused:
            access.permit_socket(None, path)
        assert refused.value.code == "not-signed-in"
    with pytest.raises(Refused):
        access.permit(None, acts=False)


def test_the_two_sockets_take_their_own_alone() -> None:
    """Agents' tokens open the link and nothing else; no person's session opens the link, whatever its role is called."""
    access.permit_socket(Bearer("alpha", "link", token=True), "/link")
    access.permit_socket(Bearer("ann", "viewer"), "/live")
    access.permit_socket(Bearer("ann", "operator"), "/api/stress/workers/box/1")
    for who, path in (
        (Bearer("alpha", "link", token=True), "/live"),
        (Bearer("cli", "admin", token=True), "/link"),
        (Bearer("ann", "admin"), "/link"),
        (Bearer("ann", "link"), "/link"),
        (Bearer("ann", "viewer"), "/api/stress/workers/box/1"),
        (Bearer("alpha", "link", token=True), "/api/stress/workers/box/1"),
    ):
        with pytest.raises(Refused) as refused:
            access.permit_socket(who, path)
        assert refused.value.code == "not-allowed"


def test_failing_often_means_waiting() -> None:
    """Ten tries a minute and peer; others are not held up, and the window ends."""
    failures = Failures()
    for second in range(Failures.ALLOWED):
        assert failures.wait("mallory", second) == 0
        failures.add("mallory", second)
    assert failures.wait("mallory", 10) == 50
    assert failures.wait("ann", 10) == 0
    assert failures.wait("mallory", 60) == 0
    failures.add("mallory", 60)
    assert failures.wait("mallory", 60) == 0


def test_counting_failures_is_bounded() -> None:
    """However many peers fail, no more than so many are remembered, and those who went on failing are among them."""
    failures = Failures()
    for number in range(Failures.PEERS * 2):
        failures.add(f"peer {number}", 1)
        failures.add("mallory", 1)
    assert len(failures._seen) == Failures.PEERS
    assert failures.wait("mallory", 2)


async def test_the_local_token_is_made_once_and_is_ours_alone(tmp_path: Path) -> None:
    """The same file gives the same token, others may not read it, and a torn one is made anew."""
    file = tmp_path / "token"
    async with open_journal(tmp_path / "journal.db") as journal:
        first = await access.local_token(journal, file, "local", "admin", 1)
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        assert await access.local_token(journal, file, "local", "admin", 2) == first
        assert file.stat().st_mode & 0o777 == 0o600
        assert await journal.access.token(first) == Bearer("local", "admin", token=True)
        file.write_bytes(first[:10].encode())
        second = await access.local_token(journal, file, "local", "admin", 3)
        assert second != first
        assert await journal.access.token(first) is None
        with pytest.raises(Failed, match="cannot be used"):
            await access.local_token(journal, tmp_path / "none" / "token", "local", "admin", 4)


def test_the_sign_in_link_hides_its_secret_from_servers() -> None:
    """A fragment is not sent."""
    assert access.sign_in_url("http://127.0.0.1:8600", "abc") == "http://127.0.0.1:8600/sign-in#abc"
