"""What is given to users: the same bytes twice, a lint-free image file, texts that say every verb."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(HOME / "packaging"))

from watchkeeper.cli import VERBS  # noqa: E402  # after the path is set


def hadolint() -> str | None:
    """The linter that the environment for packages brings."""
    return shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


@pytest.mark.skipif(not hadolint(), reason="hadolint is not installed (dev.py package installs it)")
def test_the_image_file_has_no_findings() -> None:
    """hadolint, with ShellCheck inside it, finds nothing in the Containerfile."""
    program = hadolint()
    assert program
    run = subprocess.run(
        [program, str(HOME / "packaging/container/Containerfile")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_the_image_runs_without_rights_and_says_how_it_is() -> None:
    """The image has a user of its own, a health check, no shell form, and keeps its data in a volume."""
    text = (HOME / "packaging/container/Containerfile").read_text(encoding="utf-8")
    stage = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10600:10600\n" in stage
    assert "\nHEALTHCHECK " in stage
    assert '\nENTRYPOINT ["watchkeeper"]' in stage
    assert "\nVOLUME /data" in stage


def test_every_verb_has_a_man_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages are made from the grammar, compressed without a time, and hold each verb's own line of help."""
    pytest.importorskip("argparse_manpage", reason="argparse-manpage is not installed (dev.py package installs it)")
    import texts  # noqa: PLC0415  # needs the package above

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    texts.man_pages(tmp_path / "one")
    texts.man_pages(tmp_path / "two")
    for verb in VERBS:
        packed = (tmp_path / "one" / f"watchkeeper-{verb.name}.1.gz").read_bytes()
        assert packed == (tmp_path / "two" / f"watchkeeper-{verb.name}.1.gz").read_bytes()
        page = gzip.decompress(packed).decode().replace("\\-", "-")
        assert page.startswith(f'.TH WATCHKEEPER {verb.name.upper()} "1" "2023-11-14"'), page[:80]
        assert verb.about.split(":")[0].split(",")[0] in page


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    """Wheel, sdist, .deb, bundle, SBOM: made twice from one tree, every checksum is the same."""
    sums = []
    for _ in range(2):
        subprocess.run([sys.executable, "packaging/make.py"], cwd=HOME, check=True, stdout=subprocess.DEVNULL)
        sums.append((HOME / "dist" / "SHA256SUMS").read_text(encoding="ascii"))
    assert sums[0] == sums[1]
    assert sums[0].count("\n") >= 6
    for line in sums[0].splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((HOME / "dist" / name).read_bytes()).hexdigest() == digest
    (bundle,) = (HOME / "dist").glob("*offline*.tar.gz")
    subprocess.run(["tar", "-xf", str(bundle), "-C", str(tmp_path)], check=True)
    (folder,) = tmp_path.iterdir()
    place = tmp_path / "installed"
    # No index is reachable: what the bundle lacks, pip cannot find.
    surroundings = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHON": sys.executable, "PIP_CONFIG_FILE": "/dev/null"}
    subprocess.run(["sh", str(folder / "install.sh"), str(place)], check=True, env=surroundings)
    told = subprocess.run([str(place / "bin" / "watchkeeper"), "version"], check=True, capture_output=True, text=True).stdout
    assert told.startswith("watchkeeper ")
