"""Options are checked where they are written, and handed on in the form that the child reads."""

from __future__ import annotations

import pytest

from watchkeeper.config import parse
from watchkeeper.control import ServerSettings
from watchkeeper.control.options import written
from watchkeeper.errors import ConfigError

GOOD = """
[server.web]
command = ["x"]
environment_files = ["a.env", "-b.env"]
user = "www"
group = "web"
groups = ["log", "4"]
umask = "027"
rlimits = { nofile = 65536, core = "unlimited", nproc = "100:200", stack = "8192:unlimited" }
nice = 0
ionice = "best-effort"
ionice_level = 6
oom_score_adj = -500
forks = true
cgroup = { memory_max = "512MiB", cpu_max = 1.5, pids_max = 100 }
"""


def settings(text: str) -> ServerSettings:
    """The server of a configuration."""
    found: ServerSettings = parse({"f.toml": text}).named("server", ServerSettings)["web"]
    return found


def test_all_of_them_are_handed_on() -> None:
    """In the words of the system calls."""
    assert written(settings(GOOD)) == {
        "user": "www",
        "group": "web",
        "groups": ("log", "4"),
        "umask": "027",
        "rlimit": ("core -1 -1", "nofile 65536 65536", "nproc 100 200", "stack 8192 -1"),
        "nice": "0",
        "ionice": "2 6",
        "oom_score_adj": "-500",
        "forks": "1",
        "memory_max": str(512 << 20),
        "cpu_max": "150000 100000",
        "pids_max": "100",
    }
    assert written(settings('[server.web]\ncommand = ["x"]\nionice = "idle"')) == {"ionice": "3 0"}
    assert written(settings('[server.web]\ncommand = ["x"]')) == {}


def test_a_change_of_any_of_them_makes_another_process() -> None:
    """Only a restart makes it true, so it counts as a change of what runs."""
    plain = settings('[server.web]\ncommand = ["x"]')
    for line in GOOD.strip().splitlines()[2:]:
        if not line.startswith("ionice_level"):
            assert settings(f'[server.web]\ncommand = ["x"]\n{line}').process != plain.process, line


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('umask = "28"', 'umask: expected three octal digits, such as "027"'),
        ('umask = "0o27"', "umask: expected three octal"),
        ('rlimits = { files = "3" }', "rlimits: 'files' is none of as, core, cpu"),
        ('rlimits = { nofile = "many" }', 'rlimits: nofile: expected a number, "unlimited" or "SOFT:HARD"'),
        ("rlimits = { nofile = -1 }", "rlimits: nofile: expected a number"),
        ('rlimits = { nofile = "300:200" }', "rlimits: nofile: the soft limit is above the hard one"),
        ('rlimits = { nofile = "unlimited:200" }', "rlimits: nofile: the soft limit is above the hard one"),
        ("nice = 20", "<= 19"),
        ('ionice = "fast"', "fast"),
        ("ionice_level = 8", "<= 7"),
        ("oom_score_adj = 1001", "<= 1000"),
        ('user = "a\\nb"', "a name holds no zero byte and no line break"),
        ('cgroup = { memory_max = "1KiB" }', "memory_max: expected at least 1MiB"),
        ("cgroup = { cpu_max = 0.0 }", ">= 0.01"),
        ("cgroup = { pids_max = 0 }", ">= 1"),
        ('cgroup = { memory = "1GiB" }', "unknown key 'memory'; did you mean 'memory_max'?"),
    ],
)
def test_what_could_never_work_is_refused_where_it_stands(line: str, why: str) -> None:
    """With file, line and what was expected."""
    with pytest.raises(ConfigError) as fault:
        settings(f'[server.web]\ncommand = ["x"]\n{line}')
    assert why in fault.value.problem
    assert "f.toml:" in fault.value.where
