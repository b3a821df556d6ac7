"""The office's tables: what is decoded, what is refused, and that it opens with all that it knew."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.clock import SystemClock
from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.hub import read_settings
from watchkeeper.journal import open_journal
from watchkeeper.model import Event
from watchkeeper.notify import Alertmanager, Apprise, Email, Slack, Webhook
from watchkeeper.office import OfficeSettings, open_office

FULL = """
[channel.mail]
kind = "email"
host = "smtp.example.org"
sender = "w@example.org"
to = ["a@example.org"]
fallback = "chat"
[channel.chat]
kind = "slack"
url = { env = "SLACK" }
fallback = "phone"
[channel.phone]
kind = "apprise"
url = { file = "/etc/watchkeeper/telegram" }
[channel.hook]
kind = "webhook"
url = "https://h/x"
[channel.up]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
[heartbeat]
url = "https://hc.example.org/ping/abc"
period = "30s"
[expected.backup]
cron = "30 3 * * *"
"""


def test_every_kind_is_decoded() -> None:
    """Each table by its kind, with the defaults that its docs tell."""
    settings = read_settings(parse({"w.toml": FULL}))
    kinds = {name: type(leaf) for name, leaf in settings.channel.items()}
    assert kinds == {"mail": Email, "chat": Slack, "phone": Apprise, "hook": Webhook, "up": Alertmanager}
    assert settings.heartbeat.period == 30
    assert settings.expected["backup"].grace == 300


@pytest.mark.parametrize(
    ("more", "said", "line"),
    [
        ('[channel.x]\nkind = "webhook"\nurl = "http://h"\nfallback = "nobody"', "no channel 'nobody'", 4),
        ('[channel.x]\nkind = "webhook"\nurl = "http://h"\nfallback = "x"', "in a circle: x → x", 4),
        ('[channel.x]\nkind = "webhok"', "did you mean 'webhook'", 2),
        ('[channel.x]\nkind = "slack"\nurl = "https://hooks.slack.com/in/the/clear"', "url", 3),
        ('[channel."a b"]\nkind = "webhook"\nurl = "http://h"', "letters, digits", 1),
        ('[heartbeat]\nurl = "hc.example.org"', "http:// or https://", 1),
        ('[heartbeat]\nperiod = "0s"', "1s to 1d", 1),
    ],
)
def test_mistakes_are_told_where_they_stand(more: str, said: str, line: int) -> None:
    """With file and line; a circle of fall-backs by its names."""
    with pytest.raises(ConfigError, match=said) as told:
        read_settings(parse({"w.toml": more}))
    assert told.value.where.startswith(f"w.toml:{line}"), told.value.where
    assert "in/the/clear" not in str(told.value)


def test_a_longer_circle_is_found_too() -> None:
    """Over several channels, from wherever one begins."""
    text = "".join(
        f'[channel.{name}]\nkind = "webhook"\nurl = "http://h"\nfallback = "{to}"\n'
        for name, to in (("a", "b"), ("b", "c"), ("c", "b"))
    )
    with pytest.raises(ConfigError, match="a → b → c → b"):
        read_settings(parse({"w.toml": text}))


async def test_it_opens_with_the_key_that_it_had(tmp_path: Path) -> None:
    """The links of an earlier office hold in the next."""
    told: list[Event] = []
    async with open_journal(tmp_path / "journal.db") as journal:
        keys = []
        for _ in range(2):
            office = await open_office(OfficeSettings(), tmp_path, "https://h", journal, SystemClock(), told.append, lambda: "")
            keys.append(office.links.acknowledge("i", "c", 1))
        assert keys[0] == keys[1]
        assert office.figures() == []
