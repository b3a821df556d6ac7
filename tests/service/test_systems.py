"""The files of each service system are as reviewed (golden), and the system's own checker accepts them."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from watchkeeper.errors import Refused
from watchkeeper.service import SYSTEMS, find_system
from watchkeeper.service.steps import Folder, Installation, Remove, Run, Write
from watchkeeper.service.systemd import quoted

GOLDEN = Path(__file__).parent / "golden"
SYSTEM = Installation(
    python=Path("/opt/watchkeeper/bin/python"),
    data=Path("/var/lib/watchkeeper"),
    config=Path("/etc/watchkeeper/watchkeeper.toml"),
)
HUB = msgspec.structs.replace(SYSTEM, program="hub", user="watchkeeper", listen="127.0.0.1:8600")
USER = msgspec.structs.replace(
    SYSTEM, scope="user", home=Path("/home/ada"), uid=1000, config=None, data=Path("/home/ada/.local/share/watchkeeper")
)
CASES = {
    ("systemd", "system"): SYSTEM,
    ("systemd", "hub"): HUB,
    ("systemd", "user"): USER,
    ("openrc", "system"): SYSTEM,
    ("openrc", "hub"): HUB,
    ("launchd", "system"): SYSTEM,
    ("launchd", "user"): USER,
    ("windows", "system"): msgspec.structs.replace(SYSTEM, config=Path("/etc/a & b/watchkeeper.toml")),
}
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")


def analyze(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run systemd's own checker, which needs no running systemd for this."""
    assert ANALYZE
    surroundings = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False, env=surroundings)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_files_are_as_reviewed(case: tuple[str, str]) -> None:
    """Each generated file equals the one in golden/, byte for byte."""
    system, kind = case
    (file,) = SYSTEMS[system].files(CASES[case])
    assert file.text == (GOLDEN / f"{system}-{kind}{file.path.suffix}").read_text(encoding="utf-8")


@needs_systemd
@pytest.mark.parametrize("kind", ["system", "hub", "user"])
def test_systemd_itself_finds_nothing_wrong(kind: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` accepts the units, with a program that exists."""
    what = msgspec.structs.replace(CASES["systemd", kind], python=Path("/bin/true"), user="")
    (file,) = SYSTEMS["systemd"].files(what)
    unit = tmp_path / "watchkeeper.service"
    unit.write_text(file.text, encoding="utf-8")
    run = analyze(*(["--user"] if kind == "user" else []), "--man=no", "verify", str(unit), home=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "watchkeeper.service" not in run.stderr, run.stderr


@needs_systemd
def test_systemd_calls_the_hub_well_locked_in(tmp_path: Path) -> None:
    """`systemd-analyze security` gives the hub's unit an exposure of 2.5 at most, of 10."""
    (file,) = SYSTEMS["systemd"].files(HUB)
    (tmp_path / "watchkeeper.service").write_text(file.text, encoding="utf-8")
    run = analyze("security", "--offline=true", "--threshold=25", str(tmp_path / "watchkeeper.service"), home=tmp_path)
    assert run.returncode == 0, run.stdout[-600:] + run.stderr


def test_a_unit_quotes_what_systemd_would_expand() -> None:
    """Blanks, percent, dollar and quotes in a path arrive as they are."""
    assert quoted("/plain/path") == "/plain/path"
    assert quoted("/a b/100%/$x") == '"/a b/100%%/$$x"'
    assert quoted('say "hi"') == '"say \\"hi\\""'


def test_launchd_can_read_its_list() -> None:
    """The property list says what to run and that the servers outlive the job."""
    (file,) = SYSTEMS["launchd"].files(SYSTEM)
    listed = plistlib.loads(file.text.encode())
    assert listed["ProgramArguments"] == list(SYSTEM.command)
    assert listed["AbandonProcessGroup"] is True
    assert file.path == Path("/Library/LaunchDaemons/org.watchkeeper.watchkeeper.plist")


def test_the_windows_file_is_well_formed() -> None:
    """What XML reserves is escaped."""
    (file,) = SYSTEMS["windows"].files(CASES["windows", "system"])
    assert "a & b" in (ET.fromstring(file.text).findtext("arguments") or "")


@pytest.mark.parametrize("name", SYSTEMS)
def test_uninstall_takes_back_every_file_and_keeps_the_data(name: str) -> None:
    """What install writes, uninstall removes, and no folder goes."""
    written = {step.path for step in SYSTEMS[name].install(SYSTEM) if isinstance(step, Write)}
    removed = {step.path for step in SYSTEMS[name].uninstall(SYSTEM) if isinstance(step, Remove)}
    assert written == removed
    assert not removed & {step.path for step in SYSTEMS[name].install(SYSTEM) if isinstance(step, Folder)}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_last_step_of_install_has_it_run(name: str) -> None:
    """Installing starts it: no second command is needed."""
    assert isinstance(SYSTEMS[name].install(SYSTEM)[-1], Run)


@pytest.mark.parametrize("name", ["openrc", "windows"])
def test_a_system_without_user_services_says_so(name: str) -> None:
    """A user's own service is refused where there is none."""
    with pytest.raises(Refused, match="single user"):
        SYSTEMS[name].install(USER)


def test_the_running_system_is_found(tmp_path: Path) -> None:
    """Systemd by its folder, OpenRC by its own, macOS and Windows by their names, else a refusal that says what to do."""
    assert find_system(platform="darwin").name == "launchd"
    assert find_system(platform="win32").name == "windows"
    assert find_system("openrc", platform="darwin").name == "openrc"
    with pytest.raises(Refused, match="--dry-run"):
        find_system(platform="linux", root=tmp_path, which=lambda _: None)
    (tmp_path / "run/openrc").mkdir(parents=True)
    assert find_system(platform="linux", root=tmp_path, which=lambda _: "/sbin/openrc-run").name == "openrc"
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert find_system(platform="linux", root=tmp_path).name == "systemd"
