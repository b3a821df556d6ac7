"""`cloud-server` and `cloud-client` as people and scripts meet them: output, exit status, and what they say of a fault."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudnet.keys import Identity, create, read, written
from cloudnet.settings import ABOUT
from rigs.cloud import CloudProgram
from rigs.programs import free_port, until

CLIENT = str(Path(sys.executable).with_name("cloud-client"))
SERVER = str(Path(sys.executable).with_name("cloud-server"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProgram]:
    """One for all."""
    found = CloudProgram(tmp_path_factory.mktemp("server"))
    found.start()
    yield found
    found.close()


class Person:
    """Somebody with an identity in a file."""

    def __init__(self, folder: Path, server: CloudProgram, name: str) -> None:
        self.file = folder / name
        self.environment = os.environ | {"CLOUD_SERVER": server.url, "CLOUD_IDENTITY": str(self.file)}
        self.key = written(create(self.file).key)

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A verb, to its end."""
        return run(CLIENT, *arguments, environment=self.environment, text=text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A verb that goes on."""
        return subprocess.Popen(
            [CLIENT, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def run(*command: str, environment: dict[str, str] | None = None, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """To its end."""
    return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def ann(tmp_path: Path, server: CloudProgram) -> Person:
    """One person."""
    return Person(tmp_path, server, "ann")


@pytest.fixture
def bob(tmp_path: Path, server: CloudProgram) -> Person:
    """Another one."""
    return Person(tmp_path, server, "bob")


def test_an_identity_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The public key is printed, the file is 0600 and never written over; others must not be able to read it."""
    file = tmp_path / "id"
    made = run(CLIENT, "identity", "new", str(file))
    assert (made.returncode, made.stderr) == (0, "")
    assert len(read(made.stdout)) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.stdout not in file.read_text()
    assert run(CLIENT, "identity", "show", str(file)).stdout == made.stdout
    again = run(CLIENT, "identity", "new", str(file))
    assert (again.returncode, again.stdout) == (2, "")
    assert "never written over" in again.stderr
    file.chmod(0o644)
    shown = run(CLIENT, "identity", "show", str(file))
    assert shown.returncode == 2
    assert f"chmod 600 {file}" in shown.stderr


def test_a_message_between_two_terminals(ann: Person, bob: Person) -> None:
    """One listens and prints an object a line; the other one sends, and with --wait ends once it was taken."""
    with bob.start("listen", "--count", "3", "--name", "bob") as listening:
        assert listening.stderr is not None
        assert listening.stdout is not None
        assert bob.key in listening.stderr.readline()
        sent = ann.run("send", bob.key, "hello, Bob", "--wait")
        assert (sent.returncode, sent.stderr) == (0, "")
        told = json.loads(sent.stdout)
        assert told["taken"] is True
        assert ann.run("send", bob.key, "-", text="from a pipe\n").returncode == 0
        assert ann.run("send", bob.key, os.fsdecode(b"\xff\xfe")).returncode == 0
        lines = [json.loads(line) for line in listening.stdout]
    assert listening.returncode == 0
    first, second, third = lines
    assert (first["from"], first["to"], first["id"], first["body"]) == (ann.key, bob.key, told["id"], "hello, Bob")
    assert isinstance(first["sent"], int)
    assert abs(first["at"] - first["sent"]) < 60_000
    assert second["body"] == "from a pipe\n"
    assert third["body_base64"] == "//4="


def test_a_message_waits_for_whoever_is_away(ann: Person, bob: Person) -> None:
    """`send` is done once the server is bound to deliver it."""
    assert bob.run("ping").returncode == 0
    sent = ann.run("send", bob.key, "for later")
    assert (sent.returncode, json.loads(sent.stdout)["taken"]) == (0, False)
    assert json.loads(bob.run("status").stdout)["waiting"] == 1
    assert json.loads(bob.run("listen", "--count", "1").stdout)["body"] == "for later"


def test_who_is_registered_is_found(ann: Person, bob: Person) -> None:
    """By part of a name, by key, by distance; nobody is no fault."""
    made = bob.run("register", "Bob's barn owl", "--type", "chat", "--alias", "barney", "--place", "52.5,13.4")
    assert (made.returncode, json.loads(made.stdout)["key"]) == (0, bob.key)
    for how in (["BARN"], ["barney"], ["--key", bob.key], ["--type", "chat", "--near", "52.4,13.4", "--radius", "20000"]):
        found = ann.run("find", *how)
        assert found.returncode == 0
        entry = json.loads(found.stdout)
        assert (entry["key"], entry["name"], entry["present"]) == (bob.key, "Bob's barn owl", False)
        assert ("distance" in entry) == ("--near" in how)
    nobody = ann.run("find", "nobody of this name")
    assert (nobody.returncode, nobody.stdout) == (0, "")


def test_ping_and_status(ann: Person, server: CloudProgram) -> None:
    """A number of milliseconds; how the server stands."""
    assert json.loads(ann.run("ping").stdout)["milliseconds"] < 5000
    status = json.loads(ann.run("status").stdout)
    assert status["server"] == server.url
    assert status["sessions"] >= 1


def test_who_comes_and_goes_is_printed(ann: Person, bob: Person) -> None:
    """From how it is now on; interrupted, it ends with 130."""
    with ann.start("watch", bob.key) as watching:
        assert watching.stdout is not None
        states = [json.loads(watching.stdout.readline())["state"]]
        bob.run("ping")
        states += [json.loads(watching.stdout.readline())["state"] for _ in range(2)]
        watching.send_signal(signal.SIGINT)
    assert states == ["left", "came", "left"]
    assert watching.returncode == 130


WRONG = {
    "no verb": ([], 2, "VERB"),
    "no such verb": (["sing"], 2, "invalid choice"),
    "half a flag": (["--time=3", "ping"], 2, "unrecognized arguments: --time=3"),
    "half a flag of a verb": (["listen", "--cou", "1"], 2, "unrecognized arguments: --cou 1"),
    "no key": (["send", "nonsense", "x"], 2, "expected 52 letters and digits"),
    "no place": (["find", "--near", "north"], 2, "expected LAT,LON"),
    "no identity": (["--identity", "/nowhere/id", "ping"], 2, "cannot be read"),
    "no server": (["--server", "ws://127.0.0.1:1", "--timeout", "0.5", "ping"], 1, "no Cloud Server answered within"),
    "no address": (["--server", "http://127.0.0.1:1", "ping"], 2, "is not a ws:// or wss:// address"),
    "another server": (["--server-key", written(Identity.new().key), "ping"], 1, "not the server whose key was given"),
    "unknown recipient": (["send", written(Identity.new().key), "x"], 1, "nobody here is"),
    "too long": (["send", written(Identity.new().key), "-"], 1, "the server takes 65536"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_goes_wrong_is_one_sentence_and_a_status(ann: Person, what: str) -> None:
    """2 for what was said wrongly, 1 for what was refused or failed; nothing on stdout, no traceback."""
    arguments, status, expected = WRONG[what]
    done = ann.run(*arguments, text="x" * 70_000)
    assert (done.returncode, done.stdout) == (status, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_who_has_no_identity_is_told_how_to_make_one(server: CloudProgram) -> None:
    """The very command."""
    done = run(CLIENT, "--server", server.url, "ping")
    assert done.returncode == 2
    assert "cloud-client identity new FILE" in done.stderr


def test_a_reader_that_has_gone_is_no_fault(ann: Person, bob: Person) -> None:
    """As in `cloud-client listen | head -1`."""
    with bob.start("listen") as listening:
        assert listening.stderr is not None
        assert listening.stdout is not None
        assert bob.key in listening.stderr.readline()
        listening.stdout.close()
        assert ann.run("send", bob.key, "x").returncode == 0
        assert listening.wait(20) == 0
        assert "Traceback" not in listening.stderr.read()


def test_a_second_listener_is_told_of_the_first(bob: Person) -> None:
    """And how to take over: then the first one ends and says why."""
    with bob.start("listen") as first:
        assert first.stderr is not None
        first.stderr.readline()
        second = bob.run("listen")
        assert second.returncode == 1
        assert "connected already" in second.stderr
        assert "takeover" in second.stderr
        assert bob.run("--takeover", "ping").returncode == 0
        assert first.wait(20) == 1
        assert "taken over" in first.stderr.read()


def test_the_server_explains_itself() -> None:
    """Every setting is in --help, with the sentence that documents it."""
    shown = run(SERVER, "--help")
    assert shown.returncode == 0
    flat = re.sub(r"\s+", "", shown.stdout)
    for name, about in ABOUT.items():
        assert f"--{name.replace('_', '-')}" in shown.stdout
        assert re.sub(r"\s+", "", about) in flat
    assert run(SERVER, "--version").stdout.startswith("cloud-server ")
    assert run(CLIENT, "--version").stdout.startswith("cloud-client ")


SETTINGS = {
    "a port in use": (["--listen", "127.0.0.1:{port}"], "", "cannot listen on 127.0.0.1:{port}"),
    "a metrics port in use": (["--metrics", "127.0.0.1:{port}"], "", "cannot listen on 127.0.0.1:{port}"),
    "an unknown key": (["--config", "{file}"], "[cloud]\nlisen = '127.0.0.1:1'", "did you mean 'listen'?"),
    "a wrong type": (["--config", "{file}"], "[cloud]\nconnections = 'many'", "connections"),
    "no TOML": (["--config", "{file}"], "[cloud", "{file}"),
    "no file": (["--config", "{file}.gone"], "", "{file}.gone"),
    "no size": (["--mailbox-bytes", "plenty"], "", "64k, 16m or 1g"),
    "no address": (["--listen", "8765"], "", "expected HOST:PORT"),
    "half of TLS": (["--tls-key", "{file}"], "", "both or none of the two TLS files"),
    "no certificate": (["--tls-key", "{file}", "--tls-certificate", "{file}"], "", "TLS cannot be set up"),
    "a folder that cannot be": (["--data", "{file}/data"], "", "{file}/data"),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_a_setting_that_cannot_be_is_told_with_its_place(tmp_path: Path, server: CloudProgram, what: str) -> None:
    """Exit 2, one sentence, no traceback."""
    arguments, content, expected = SETTINGS[what]
    file = tmp_path / "cloud.toml"
    file.write_text(content)
    values = {"port": str(server.port), "file": str(file)}
    given = [argument.format(**values) for argument in arguments]
    defaults = ["--listen", f"127.0.0.1:{free_port()}", "--metrics", "", "--data", str(tmp_path / "data")]
    done = run(SERVER, *defaults, *given)
    assert done.returncode == 2, done.stderr
    assert expected.format(**values) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_says_where_it_is_and_ends_when_told(tmp_path: Path) -> None:
    """A line on stdout once clients may come; SIGINT as good as SIGTERM; the same identity the next time."""
    keys = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [SERVER, "--listen", "127.0.0.1:0", "--metrics", "", "--data", str(tmp_path / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert re.fullmatch(r"Cloud Server on ws://127\.0\.0\.1:\d+\n", process.stdout.readline())
            said = until(process.stderr.readline, "its log")
            while "this server is" not in said:
                said = process.stderr.readline()
            keys.add(said.split()[-1])
            process.send_signal(number)
            assert process.wait(20) == 0
    assert len(keys) == 1
