"""`heartbeat`: expect one, use its address, see how it stands; over a real web and a real journal."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from rigs.desk import Web, running
from watchkeeper.cli import main
from watchkeeper.heartbeat.settings import Expected
from watchkeeper.office import OfficeSettings
from watchkeeper.web.settings import WebSettings


async def cli(web: Web, folder: Path, *words: str) -> int:
    """Run a verb against that hub."""
    flags = ("--url", web.url, "--token-file", str(folder / "token"))
    return await asyncio.to_thread(main, [*words, *flags])


async def test_expected_sent_seen_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed address works as it stands; the list follows; what the configuration expects stays."""
    office = OfficeSettings(expected={"backup": Expected()})
    async with running(tmp_path, WebSettings(), office=office) as web, httpx.AsyncClient() as job:
        assert await cli(web, tmp_path, "heartbeat", "new", "nightly", "--cron", "30 3 * * *", "--grace", "1h") == 0
        told = capsys.readouterr().out
        url = re.search(r"^http\S+$", told, re.MULTILINE)
        assert url is not None
        assert (await job.get(f"{url[0]}/7")).status_code == 200
        assert await cli(web, tmp_path, "heartbeat", "list") == 0
        lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
        assert "✕ down" in lines["nightly"]
        assert "exit status 7" in lines["nightly"]
        assert "◌ new" in lines["backup"]
        assert await cli(web, tmp_path, "heartbeat", "list", "--json") == 0
        assert [one["state"] for one in json.loads(capsys.readouterr().out)] == ["new", "down"]
        assert await cli(web, tmp_path, "heartbeat", "remove", "nightly") == 0
        assert await cli(web, tmp_path, "heartbeat", "remove", "nightly") == 1
        assert await cli(web, tmp_path, "heartbeat", "remove", "backup") == 1
        assert "[expected.backup]" in capsys.readouterr().err
        assert (await job.get(url[0])).status_code == 404


async def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong expression, no name: a line each, and exit 1."""
    async with running(tmp_path, WebSettings()) as web:
        assert await cli(web, tmp_path, "heartbeat", "new", "x", "--cron", "every day") == 1
        assert "no cron expression" in capsys.readouterr().err
        assert await cli(web, tmp_path, "heartbeat", "new") == 1
        assert "say which heartbeat" in capsys.readouterr().err
        assert await cli(web, tmp_path, "heartbeat", "list") == 0
        assert "No heartbeat is expected" in capsys.readouterr().out
