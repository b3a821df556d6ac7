"""A .deb: the wheel and its locked dependencies under /opt/watchkeeper, run by Debian's own Python.

The package needs the Python that it was made with (its compiled dependencies do), asks nothing, starts the service where
systemd runs the computer, and hands servers over at an upgrade. Removing it keeps configuration and data, purging
deletes the data. Source: Debian Policy 4.7, chapters 5, 6 and 10.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import texts

from watchkeeper.service.steps import Installation
from watchkeeper.service.systemd import Systemd

HERE = Path(__file__).resolve().parent
HOME = HERE.parent
PLACE = Path("/opt/watchkeeper")
CONFIG = Path("/etc/watchkeeper/watchkeeper.toml")
PROGRAMS = {
    "watchkeeper": "watchkeeper.cli:main",
    "cloud-server": "cloudnet.programs.server:main",
    "cloud-client": "cloudnet.programs.client:main",
}
SYSTEM_PYTHON = "/usr/bin/python3"

CONTROL = """\
Package: watchkeeper
Version: {version}
Architecture: {architecture}
Maintainer: The Watchkeeper maintainers <maintainers@watchkeeper.invalid>
Installed-Size: {kilobytes}
Depends: python3 (>= {low}), python3 (<< {high})
Recommends: systemd
Section: admin
Priority: optional
Description: keeps watch over servers: sees, acts, tells and proves
 One self-hosted tool for people who run servers: figures and their history,
 live pictures, keeping servers alive, alerts, stress tests, and a relay
 (cloud-server) through which clients behind NATs reach each other.
"""


def make(wheel: Path, version: str, stage: Path, target: Path) -> Path:
    """Build it below `stage` and put it into `target`; says what it made. Raises CalledProcessError when a tool fails."""
    root = stage / "root"
    lay_out(root, wheel)
    control = root / "DEBIAN"
    control.mkdir()
    minor = sys.version_info[1]
    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
    (control / "control").write_text(
        CONTROL.format(
            version=version, architecture=architecture, kilobytes=size // 1024, low=f"3.{minor}~", high=f"3.{minor + 1}~"
        ),
        encoding="utf-8",
    )
    (control / "conffiles").write_text(f"{CONFIG}\n", encoding="ascii")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copyfile(HERE / "deb" / name, control / name)
        (control / name).chmod(0o755)
    made = target / f"watchkeeper_{version}_{architecture}.deb"
    settle(root)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(root), str(made)], check=True, stdout=subprocess.DEVNULL)
    return made


def lay_out(root: Path, wheel: Path) -> None:
    """Every file of the package at its place below `root`."""
    inside = root / PLACE.relative_to("/")
    inside.parent.mkdir(parents=True)
    texts.installed(wheel, inside)
    library = next((inside / "lib").glob("python3.*"))
    for name in ("python", "python3", library.name):
        link = inside / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(SYSTEM_PYTHON if name == "python" else "python")
    if (inside / "lib64").is_symlink():
        (inside / "lib64").unlink()
    (inside / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", encoding="ascii")
    for path in inside.glob("bin/*"):
        if not path.is_symlink():
            path.unlink()
    for name, entry in PROGRAMS.items():
        module, function = entry.split(":")
        script = inside / "bin" / name
        script.write_text(
            f"#!{PLACE}/bin/python\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n", encoding="ascii"
        )
        script.chmod(0o755)
        link = root / "usr" / "bin" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(PLACE / "bin" / name)
    # What pip notes of this installation names the folder that it was made in, and differs each time.
    for record in library.glob("site-packages/*.dist-info/RECORD"):
        record.unlink()
    for noted in library.glob("site-packages/*.dist-info/direct_url.json"):
        noted.unlink()
    (unit,) = Systemd().files(Installation(PLACE / "bin" / "python", Path("/var/lib/watchkeeper"), CONFIG))
    put(root / "lib/systemd/system/watchkeeper.service", unit.text)
    put(root / CONFIG.relative_to("/"), (HERE / "deb" / "watchkeeper.toml").read_text(encoding="utf-8"), 0o640)
    texts.man_pages(root / "usr/share/man/man1")
    texts.completions(
        root / "usr/share",
        {
            "bash": "bash-completion/completions/watchkeeper",
            "zsh": "zsh/vendor-completions/_watchkeeper",
            "fish": "fish/vendor_completions.d/watchkeeper.fish",
        },
    )
    documents = root / "usr/share/doc/watchkeeper"
    documents.mkdir(parents=True)
    shutil.copyfile(HOME / "LICENSE", documents / "copyright")
    (documents / "changelog.gz").write_bytes(gzip.compress((HOME / "CHANGELOG.md").read_bytes(), 9, mtime=0))


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def settle(root: Path) -> None:
    """One time for everything: what was made later than SOURCE_DATE_EPOCH would differ from one run to the next."""
    at = int(os.environ["SOURCE_DATE_EPOCH"])
    for path in (root, *root.rglob("*")):
        os.utime(path, (at, at), follow_symlinks=False)
