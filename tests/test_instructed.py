"""What a hub is told to do: what fits together across its tables."""

from __future__ import annotations

import pytest

from watchkeeper.config import parse
from watchkeeper.errors import ConfigError
from watchkeeper.instructed import TABLES, read_settings

CHANNEL = '[channel.ops]\nkind = "webhook"\nurl = "https://example.org/"\n'


def test_nothing_has_to_be_written() -> None:
    """An empty configuration is a whole one."""
    settings = read_settings(parse({"w.toml": ""}))
    assert settings.alert.stock
    assert {"rule", "tune", "route", "channel", "witness"} <= set(TABLES)


def test_a_heartbeat_needs_the_rule_that_carries_it() -> None:
    """Without the Watchdog it would say for ever that nothing is judged."""
    beat = '[heartbeat]\nurl = "https://example.org/ping/abc"\n'
    assert read_settings(parse({"w.toml": beat})).heartbeat.url
    with pytest.raises(ConfigError, match=r"w\.toml:.*Watchdog"):
        read_settings(parse({"w.toml": "[alert]\nstock = false\n" + beat}))
    own = '[[rule]]\nalert = "Watchdog"\nseverity = "info"\nexpr = "vector(1)"\n'
    assert read_settings(parse({"w.toml": "[alert]\nstock = false\n" + beat + own})).heartbeat.url


def test_a_route_names_channels_that_there_are() -> None:
    """Else nobody would be told, and nobody would know."""
    settings = read_settings(parse({"w.toml": CHANNEL + '[route]\nchannels = ["ops"]\n'}))
    assert settings.route.channels == ("ops",)
    for written in ('channels = ["opps"]', 'escalate_after = "5m"\nescalate = ["opps"]'):
        with pytest.raises(ConfigError, match=r"w\.toml:.*there is no \[channel\.opps\]"):
            read_settings(parse({"w.toml": f"{CHANNEL}[route]\n{written}\n"}))
