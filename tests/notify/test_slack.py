"""The form of Slack's webhooks: what arrives, and that the address is nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigs.bulletins import full
from rigs.outgoing import kept
from rigs.receivers import Hook
from watchkeeper.errors import ConfigError, Failed
from watchkeeper.notify import Slack
from watchkeeper.outward import NotTaken


async def test_it_arrives_as_a_chat_takes_it(tmp_path: Path) -> None:
    """Title, colour, facts, links; the colour of good news once it is over."""
    receiver = Hook()
    async with receiver.running():
        channel = Slack(url=kept(tmp_path, receiver.url), channel="#ops", username="watch", icon=":eyes:")
        assert await channel.send(full(), "key-1") == "HTTP 200"
        await channel.send(full(resolved=True), "key-2")
        await channel.look()
    first, over = (one.told for one in receiver.taken)
    assert (first["channel"], first["username"], first["icon_emoji"]) == ("#ops", "watch", ":eyes:")
    assert first["text"] == "CRITICAL: The disk of alpha fills"
    assert "|Acknowledge>" in first["attachments"][0]["text"]
    assert first["attachments"][0]["color"] != over["attachments"][0]["color"]
    assert receiver.keys == ["key-1", "key-2"]


async def test_its_faults_name_no_address(tmp_path: Path) -> None:
    """Away, refused, or no address at all."""
    away = Slack(url=kept(tmp_path, "http://127.0.0.1:1/services/s3cret"))
    with pytest.raises(NotTaken) as told:
        await away.send(full(), "key")
    assert "s3cret" not in told.value.why
    with pytest.raises(Failed):
        await away.look()
    with pytest.raises(ConfigError) as wrong:
        await Slack(url=kept(tmp_path, "hooks.slack.com/services/s3cret")).send(full(), "key")
    assert "s3cret" not in str(wrong.value)
