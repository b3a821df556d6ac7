"""Links that act: one incident, one channel, one end; nobody can make one up, and the key is nobody else's to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.errors import Failed, Refused
from watchkeeper.keyfile import kept_secret
from watchkeeper.links import LIFE, Links

NOW = 1_795_000_000_000


def test_a_link_says_one_thing_and_its_key_is_kept(tmp_path: Path) -> None:
    """One incident, one channel, one end; the key is this hub's alone, readable by nobody else, and stays."""
    key = kept_secret(tmp_path / "link-key")
    assert (tmp_path / "link-key").stat().st_mode & 0o777 == 0o600
    assert kept_secret(tmp_path / "link-key") == key
    links = Links("https://h", key)
    token = links.acknowledge("i-1", "ops", NOW).rpartition("/")[2]
    assert links.read(token, NOW + LIFE - 1).incident == "i-1"
    with pytest.raises(Refused, match="too old"):
        links.read(token, NOW + LIFE)
    with pytest.raises(Refused, match="no acknowledge link"):
        Links("https://h", key[::-1]).read(token, NOW)
    said, _, mac = token.partition(".")
    other = links.acknowledge("i-2", "ops", NOW).rpartition("/")[2].partition(".")[0]
    with pytest.raises(Refused):
        links.read(f"{other}.{mac}", NOW)
    for position in range(len(said)):
        bent = said[:position] + ("A" if said[position] != "A" else "B") + said[position + 1 :]
        with pytest.raises(Refused):
            links.read(f"{bent}.{mac}", NOW)


@settings(deadline=None)
@given(st.text())
def test_no_text_is_a_link_by_chance(token: str) -> None:
    """Whatever is asked for, it is refused and never a fault of ours."""
    with pytest.raises(Refused):
        Links("https://h", "k" * 43).read(token, NOW)


def test_a_torn_key_is_made_anew_and_one_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """A full disk may have torn it: then old links end. Without a folder there is no hub."""
    file = tmp_path / "link-key"
    file.write_text("short")
    assert len(kept_secret(file)) >= 32
    with pytest.raises(Failed, match="cannot be used"):
        kept_secret(tmp_path / "nowhere" / "link-key")
