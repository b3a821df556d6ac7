"""`completion`: scripts that the shells themselves take, and names from the hub."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from watchkeeper.cli.completion import SHELLS, script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_the_shells_language(shell: str) -> None:
    """It knows every verb, and the shell finds no fault with it, where it is installed."""
    made = script(shell)
    assert all(verb in made for verb in ("status", "restart", "sign-in"))
    if program := shutil.which(shell):
        check = subprocess.run([program, "-n"], input=made, capture_output=True, text=True, check=False)
        assert check.returncode == 0, check.stderr


def test_bash_completes_verbs_and_servers(hub, environ, tmp_path) -> None:
    """`watchkeeper re<Tab>` (two verbs) and `watchkeeper restart w<Tab>` in a real bash give what a person would type."""
    bash = shutil.which("bash")
    assert bash, "bash is on every Linux that runs these tests"
    program = tmp_path / "watchkeeper"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m watchkeeper "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(script("bash"))
    ask = """source ./script
    COMP_WORDS=(watchkeeper re); COMP_CWORD=1; _shtab_watchkeeper; echo "${COMPREPLY[@]}"
    COMP_WORDS=(watchkeeper restart w); COMP_CWORD=2; _shtab_watchkeeper; echo "${COMPREPLY[@]}" """
    path = f"{tmp_path}:{environ['PATH']}"
    done = subprocess.run(
        [bash, "-c", ask], env=environ | {"PATH": path}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["restart resume restore", "web"], done.stderr


def test_names_are_every_server(hub, cli, capsys) -> None:
    """One a line."""
    assert cli("completion", "--names") == 0
    assert capsys.readouterr().out.split() == ["db", "shop", "web"]


def test_tab_without_a_hub_is_silent(run) -> None:
    """No names, no lecture."""
    done = run("completion", "--names")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_shell_is_asked_for(run) -> None:
    """It says which there are."""
    done = run("completion")
    assert done.returncode != 0
    assert "bash, zsh, fish" in done.stderr
