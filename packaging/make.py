"""Make what is given to users: wheel and sdist, a .deb, an offline bundle, man pages, completions, SBOM, checksums.

    python3 dev.py package [wheel | deb | bundle | sbom | formulas]…      all of them without a name, into dist/

Everything is made from one wheel, and its dependencies are exactly those of requirements.lock. With SOURCE_DATE_EPOCH
(the last commit's time where it is not set) two runs give the same bytes. Runs in the project's .venv; changes nothing
outside dist/ and build/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent
DIST = HOME / "dist"
BUILD = HOME / "build" / "packaging"
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HOME / "src"))

import bundle  # noqa: E402  # after the path is set
import debian  # noqa: E402  # as above
import formulas  # noqa: E402  # as above
import texts  # noqa: E402  # as above

from watchkeeper import __version__  # noqa: E402  # as above

PARTS = ("wheel", "deb", "bundle", "sbom", "formulas")


def main(arguments: list[str]) -> int:
    """Make the named parts, or all, and the checksums of what lies in dist/."""
    if unknown := [name for name in arguments if name not in PARTS]:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    wanted = arguments or list(PARTS)
    os.environ.setdefault("SOURCE_DATE_EPOCH", commit_time())
    os.umask(0o022)
    DIST.mkdir(exist_ok=True)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    wheel = make_wheel()
    if "deb" in wanted:
        if shutil.which("dpkg-deb"):
            told(debian.make(wheel, __version__, BUILD / "deb", DIST))
        else:
            print("deb: left out, dpkg-deb is not here")
    if "bundle" in wanted:
        told(bundle.make(wheel, __version__, BUILD / "bundle", DIST))
    if "sbom" in wanted:
        told(make_sbom(wheel))
    if "formulas" in wanted:
        for path in formulas.make(sdists()[0], __version__, DIST):
            told(path)
    told(make_checksums())
    return 0


def make_wheel() -> Path:
    """Wheel and sdist, by the project's own build backend."""
    for old in (*DIST.glob("watchkeeper-*.whl"), *sdists()):
        old.unlink()
    build = [sys.executable, "-m", "build", "--outdir", str(DIST), str(HOME)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = DIST.glob("watchkeeper-*.whl")
    told(wheel)
    told(sdists()[0])
    return wheel


def sdists() -> list[Path]:
    """Source archives in dist/; the offline bundles beside them end alike."""
    return [path for path in DIST.glob("watchkeeper-*.tar.gz") if "-offline-" not in path.name]


def make_sbom(wheel: Path) -> Path:
    """A CycloneDX document of the wheel and everything that it brings, from an environment that holds nothing else."""
    folder = texts.installed(wheel, BUILD / "sbom")
    target = DIST / f"watchkeeper-{__version__}.cdx.json"
    words = ["environment", "--output-reproducible", "--spec-version", "1.6", "--of", "JSON", "-o", str(target)]
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words, str(folder / "bin" / "python")], check=True)
    return target


def make_checksums() -> Path:
    """SHA256SUMS as `sha256sum --check` reads it."""
    target = DIST / "SHA256SUMS"
    lines = []
    for path in sorted(DIST.iterdir()):
        if path.is_file() and path != target:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    target.write_text("".join(lines), encoding="ascii")
    return target


def commit_time() -> str:
    """When the last commit was made; for an unpacked sdist, the newest of its files."""
    told_time = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=HOME, capture_output=True, text=True, check=False)
    if told_time.returncode == 0 and told_time.stdout.strip():
        return told_time.stdout.strip()
    return str(int(max(path.stat().st_mtime for path in (HOME / "src").rglob("*.py"))))


def told(path: Path) -> None:
    """Say what was made."""
    print(f"{path.relative_to(HOME)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
