"""A scene's configuration is TOML that the agent reads, and changes are laid over what is there."""

from __future__ import annotations

import tomllib

from watchkeeper.drill.scene import as_toml, merged


def test_tables_come_back_as_they_were() -> None:
    """Lists, tables within tables, odd signs, true and false."""
    tables = {
        "machine": {"name": "m"},
        "server": {"canary": {"command": ["py", 'a "b" \\ ü'], "probe": [{"kind": "http", "period": "500ms"}], "drill": False}},
        "collect": {"cpu": {"enabled": False}},
    }
    assert tomllib.loads(as_toml(tables)) == tables


def test_changes_are_laid_over() -> None:
    """Tables are merged, lists and values replaced, the first left as it was."""
    first = {"server": {"canary": {"probe": [1], "restart": "never"}}}
    second = merged(first, {"server": {"canary": {"probe": [2]}}, "new": {}})
    assert second == {"server": {"canary": {"probe": [2], "restart": "never"}}, "new": {}}
    assert first["server"]["canary"]["probe"] == [1]
