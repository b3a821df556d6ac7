"""`people` and `token`: who may come in, over a real web: names, roles, links, passwords from a pipe, secrets shown once."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2.profiles import CHEAPEST

from rigs.desk import Web, running
from watchkeeper.cli import main
from watchkeeper.web import passwords
from watchkeeper.web.settings import WebSettings


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory: what a hash costs has a test of its own."""
    monkeypatch.setattr(passwords, "RFC_9106_LOW_MEMORY", CHEAPEST)


async def cli(web: Web, folder: Path, *words: str) -> int:
    """Run a verb against that hub."""
    flags = ("--url", web.url, "--token-file", str(folder / "token"))
    return await asyncio.to_thread(main, [*words, *flags])


@pytest.fixture
async def desk_web(tmp_path: Path) -> AsyncIterator[Web]:
    """A web to speak to, its token in `tmp_path`."""
    async with running(tmp_path, WebSettings()) as found:
        yield found


async def roles(web: Web) -> dict[str, str]:
    """Who is there, as what."""
    return {one.person.name: one.person.role for one in await web.desk.journal.people.all(web.desk.now())}


async def test_a_person_from_first_to_last(desk_web, tmp_path: Path, capsys, monkeypatch) -> None:
    """Added with a link that lets in, made less, given a password, reset, removed; the last admin stays."""
    web = desk_web
    assert await cli(web, tmp_path, "people", "add", "ann", "--role", "admin") == 0
    link = capsys.readouterr().out.splitlines()[-1]
    assert link.startswith(f"{web.url}/sign-in#")
    await web.desk.journal.access.redeem(link.partition("#")[2], web.desk.now(), "")
    assert await cli(web, tmp_path, "people", "role", "ann", "--role", "viewer") == 1
    assert "the only admin" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    assert await cli(web, tmp_path, "people", "add", "eve", "--password") == 0
    assert "eve is a viewer now" in capsys.readouterr().out
    assert await cli(web, tmp_path, "people", "role", "eve", "--role", "operator") == 0
    assert await roles(web) == {"ann": "admin", "eve": "operator"}
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert await cli(web, tmp_path, "people", "password", "eve") == 1
    assert "at least 12 characters" in capsys.readouterr().err
    assert await cli(web, tmp_path, "people", "list") == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "password" in told["eve"]
    assert await cli(web, tmp_path, "people", "sessions", "--json") == 0
    assert [one["person"] for one in json.loads(capsys.readouterr().out)] == ["ann"]
    assert await cli(web, tmp_path, "people", "sign-out", "ann") == 0
    assert await web.desk.journal.access.sessions(web.desk.now()) == ()
    assert await cli(web, tmp_path, "people", "reset", "eve") == 0
    assert await cli(web, tmp_path, "sign-in", "eve") == 0
    assert await cli(web, tmp_path, "people", "remove", "eve") == 0
    assert await cli(web, tmp_path, "people", "remove", "eve") == 1
    assert "nobody called 'eve'" in capsys.readouterr().err
    assert await roles(web) == {"ann": "admin"}


async def test_a_token_is_printed_alone_and_once(desk_web, tmp_path: Path, capsys) -> None:
    """So that it can go into a file; the list says its role and end, never the secret; taken back, it is nothing."""
    web = desk_web
    assert await cli(web, tmp_path, "token", "add", "grafana", "--role", "viewer", "--days", "30") == 0
    secret = capsys.readouterr().out.strip()
    bearer = await web.desk.journal.access.token(secret, web.desk.now())
    assert bearer
    assert bearer.role == "viewer"
    assert await cli(web, tmp_path, "token", "list") == 0
    told = capsys.readouterr().out
    assert secret not in told
    assert "viewer" in next(line for line in told.splitlines() if line.startswith("grafana"))
    assert await cli(web, tmp_path, "token", "revoke", "grafana") == 0
    assert await web.desk.journal.access.token(secret, web.desk.now()) is None
    assert await cli(web, tmp_path, "token", "revoke", "local") == 1


@pytest.mark.parametrize("words", [("people", "add"), ("people", "role", "ann"), ("token", "revoke")])
async def test_what_is_missing_is_said(desk_web, tmp_path: Path, capsys, words: tuple[str, ...]) -> None:
    """A name, a role: with the line to type."""
    assert await cli(desk_web, tmp_path, *words) == 1
    assert f"watchkeeper {words[0]} {words[1]}" in capsys.readouterr().err
