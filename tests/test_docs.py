"""The texts are true: generated pages are current, every setting is explained, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from watchkeeper import cli

HOME = Path(__file__).resolve().parent.parent
TEXTS = sorted(path for path in (*HOME.glob("*.md"), *HOME.glob("docs/**/*.md")) if "node_modules" not in path.parts)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that writes the reference."""
    spec = util.spec_from_file_location("generate", HOME / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current() -> None:
    """What docs/generate.py would write is what stands there."""
    run = subprocess.run(
        [sys.executable, str(HOME / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_every_setting_is_explained(generate: ModuleType) -> None:
    """Each key of each table is named in the prose of its table, or means the same in all."""
    unexplained = [
        f"{table}: {field.encode_name}"
        for table, kind in generate.tables()
        for field in msgspec.structs.fields(kind)
        if field.encode_name not in generate.SHARED
        and not generate.is_table(field.type)
        and f"`{field.encode_name}`" not in generate.prose(kind)
    ]
    assert unexplained == []


def test_every_key_of_a_stress_plan_is_explained(generate: ModuleType) -> None:
    """The same for plans."""
    unexplained = [
        f"{table}: {field.encode_name}"
        for table, kind in generate.stress_tables()
        for field in msgspec.structs.fields(kind)
        if field.encode_name not in generate.STRESS_SHARED
        and not generate.is_table(field.type)
        and f"`{field.encode_name}`" not in generate.prose(kind)
    ]
    assert unexplained == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(HOME)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link and picture of a page exists."""
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    broken = [link for link in found if "://" not in link and not (path.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(HOME)))
def test_verbs_that_the_texts_name_exist(path: Path) -> None:
    """`watchkeeper something` in code is a verb there is."""
    verbs = {verb.name for verb in cli.VERBS}
    named = re.findall(
        r"(?:^|[`\s])watchkeeper ([a-z][a-z-]+)\b",
        "\n".join(re.findall(r"`[^`\n]+`|^    .+$", path.read_text(encoding="utf-8"), re.MULTILINE)),
    )
    assert set(named) <= verbs, set(named) - verbs


def test_the_two_commands_stand_in_the_readme() -> None:
    """What a new user types first."""
    text = (HOME / "README.md").read_text(encoding="utf-8")
    assert "python3 dev.py up" in text
    assert "python3 dev.py test" in text
