"""The offline bundle: our wheel, every wheel that it needs, and a script that installs them without a network.

For the Python and the platform that it is made on; its name says which.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent

INSTALL = """\
#!/bin/sh
# Install Watchkeeper from this folder, without a network: sh install.sh [FOLDER]   (/opt/watchkeeper, or ~/watchkeeper)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then place=/opt/watchkeeper; else place="$HOME/watchkeeper"; fi
place=${{1:-$place}}
python=${{PYTHON:-python{minor}}}
if ! command -v "$python" >/dev/null; then
  echo "this bundle needs Python {minor}, and $python is not here (PYTHON=… names it)" >&2
  exit 1
fi
"$python" -m venv "$place" || {{ echo "on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }}
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "$here/wheels" watchkeeper
echo "installed: $place/bin/watchkeeper"
"""

README = """\
Watchkeeper {version} for {platform}, Python {minor}, without a network.

  sh install.sh            installs into /opt/watchkeeper (root) or ~/watchkeeper
  …/bin/watchkeeper up     runs it
"""


def make(wheel: Path, version: str, stage: Path, target: Path) -> Path:
    """Collect the wheels and pack them; the archive's bytes depend on its content alone."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    platform = sysconfig.get_platform()
    name = f"watchkeeper-{version}-offline-{platform}-py{minor}"
    folder = stage / name
    (folder / "wheels").mkdir(parents=True)
    words = [
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "-c",
        str(HOME / "requirements.lock"),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words, "-d", str(folder / "wheels"), str(wheel)], check=True)
    (folder / "install.sh").write_text(INSTALL.format(minor=minor), encoding="utf-8")
    (folder / "README.txt").write_text(README.format(version=version, platform=platform, minor=minor), encoding="utf-8")
    made = target / f"{name}.tar.gz"
    at = int(os.environ["SOURCE_DATE_EPOCH"])

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = at
        entry.mode = 0o755 if entry.isdir() or entry.name.endswith(".sh") else 0o644
        return entry

    with (
        made.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in (folder, *sorted(folder.rglob("*"))):
            archive.add(path, path.relative_to(stage), recursive=False, filter=plain)
    return made
