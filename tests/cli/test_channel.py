"""`channel`: how each stands, and a test that tells what the receiver said; over a real web and a real outbox."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from rigs.desk import Web, running
from rigs.outgoing import kept
from rigs.receivers import Hook
from watchkeeper.cli import main
from watchkeeper.notify import Slack, Webhook
from watchkeeper.office import OfficeSettings
from watchkeeper.web.settings import WebSettings


async def cli(web: Web, folder: Path, *words: str) -> int:
    """Run a verb against that hub."""
    flags = ("--url", web.url, "--token-file", str(folder / "token"))
    return await asyncio.to_thread(main, [*words, *flags])


async def test_list_and_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Well, failing or never used; a test prints the receipt, or the reason and exit 1."""
    receiver = Hook()
    async with receiver.running():
        away = Slack(url=kept(tmp_path, "http://127.0.0.1:1/s3cr3t-path"))
        office = OfficeSettings(channel={"ops": Webhook(url=receiver.url), "away": away, "idle": Webhook(url=receiver.url)})
        async with running(tmp_path, WebSettings(), office=office) as web:
            assert await cli(web, tmp_path, "channel", "test", "ops") == 0
            assert "ops: delivered in" in capsys.readouterr().out
            assert await cli(web, tmp_path, "channel", "test", "ops", "away") == 1
            assert "away: not delivered: cannot connect" in capsys.readouterr().err
            assert await cli(web, tmp_path, "channel", "list") == 0
            told = capsys.readouterr().out
            lines = {line.split()[0]: line for line in told.splitlines()}
            assert "● well" in lines["ops"]
            assert "■ failing" in lines["away"]
            assert "◌ never used" in lines["idle"]
            assert "s3cr3t-path" not in told
            assert await cli(web, tmp_path, "channel", "test", "opps") == 1
            assert "did you mean 'ops'" in capsys.readouterr().err
            assert await cli(web, tmp_path, "channel", "test") == 1
            assert "--all" in capsys.readouterr().err
            assert await cli(web, tmp_path, "channel", "test", "--all", "--json") == 1
            assert {one["channel"]: one["state"] for one in json.loads(capsys.readouterr().out)} == {
                "ops": "delivered",
                "away": "failed",
                "idle": "delivered",
            }


async def test_without_channels_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list is told in a sentence, and is an empty list for programs."""
    async with running(tmp_path, WebSettings()) as web:
        assert await cli(web, tmp_path, "channel", "list") == 0
        assert "[channel.NAME]" in capsys.readouterr().out
        assert await cli(web, tmp_path, "channel", "list", "--json") == 0
        assert json.loads(capsys.readouterr().out) == []
        assert await cli(web, tmp_path, "channel", "test", "--all") == 1
