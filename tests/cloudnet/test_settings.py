"""What a server is told: each mistake names its file or flag, its key, and the nearest known one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudnet.errors import ConfigError
from cloudnet.packets import Limits
from cloudnet.settings import ABOUT, Settings, parser, read, size, split_address


def told(folder: Path, text: str, *arguments: str) -> Settings:
    """Settings of a file and flags."""
    file = folder / "cloud.toml"
    file.write_text(text, encoding="utf-8")
    return read(["--config", str(file), *arguments])


def test_the_defaults_are_what_the_limits_say() -> None:
    """Of no file and no flag; what clients are granted without a word is what the protocol calls the default."""
    assert read([]) == Settings()
    assert Settings().limits == Limits()


def test_a_flag_is_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    """Each kind of value from either place."""
    text = '[cloud]\nunder_way = 7\nbody_bytes = "2k"\nbackups = ["ws://b:1"]\nhandshakes_per_second = 5\nbehind_proxy = true\n'
    found = told(tmp_path, text, "--under-way", "9", "--mailbox-bytes", "3m", "--metrics", "")
    assert (found.under_way, found.body_bytes, found.backups, found.handshakes_per_second) == (9, 2048, ("ws://b:1",), 5.0)
    assert (found.mailbox_bytes, found.metrics, found.behind_proxy, found.workers) == (3 << 20, "", True, 1)
    assert read(["--backups", "ws://a:1, wss://b:2", "--behind-proxy"]).backups == ("ws://a:1", "wss://b:2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cloud]\nlissten = 'x'", "[cloud] has no key 'lissten'; did you mean 'listen'?"),
        ("[cloud]\nzzzzz = 1", "[cloud] has no key 'zzzzz'"),
        ("[cloud]\nworkers = 'two'", "workers: Expected `int`, got `str`"),
        ("[cloud]\nbackups = ['ws://a', 1]", "backups[1]: Expected `str`, got `int`"),
        ("[cloud]\nbody_bytes = '64q'", "body_bytes: expected bytes such as 64k"),
        ("[cloud]\nbody_bytes = '-1'", "body_bytes: expected bytes such as 64k"),
        ("[cloud]\nbody_bytes = '1m'", "body_bytes: expected 1 to 524288, got 1048576"),
        ("[cloud]\nbody_bytes = 0", "body_bytes: expected 1 to"),
        ("[cloud]\nworkers = 33", "workers: expected 1 to 32, got 33"),
        ("[cloud]\nunder_way = 65537", "under_way: expected 1 to 65536"),
        ("[cloud]\nconnections = -1", "connections: expected 0 to"),
        ("[cloud]\nmailbox_total = 0", "mailbox_total: expected 1 to"),
        ("[cloud]\nlag_seconds = nan", "lag_seconds: expected 0 to"),
        ("[cloud]\nhandshakes_per_second = inf", "handshakes_per_second: expected 0 to"),
        ("[cloud]\nlisten = '8765'", "listen: expected HOST:PORT, got '8765'"),
        ("[cloud]\nmetrics = 'a:70000'", "metrics: expected HOST:PORT"),
        ("[cloud]\ntls_key = 'x.pem'", "tls_key: both or none"),
        ("[cloud]\nlog_format = 'xml'", "log_format: expected text or json, got 'xml'"),
        ("[cloud]\nlog_level = 'loud'", "log_level: expected debug, info, warning or error, got 'loud'"),
        ("[cloud]\nnats = 'localhost:4222'", "nats: expected nats://HOST:PORT"),
        ("[cloud]\nbackups = ['http://a']", "backups: expected ws:// or wss:// addresses, got 'http://a'"),
        ("[clouds]\nlisten = 'a:1'", "there is no table [cloud]; is [clouds] meant to be it?"),
        ("", "there is no table [cloud]"),
        ("cloud = 1", "there is no table [cloud]"),
        ("[cloud\nx = 1", "line 1"),
    ],
)
def test_a_mistake_in_a_file_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    """Unknown keys, wrong kinds, values out of range, addresses that are none, no table at all."""
    with pytest.raises(ConfigError) as fault:
        told(tmp_path, text)
    assert fault.value.why.startswith(f"{tmp_path / 'cloud.toml'}: ")
    assert said in fault.value.why


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "two"], "--workers: Expected `int`"),
        (["--workers", "0"], "--workers: expected 1 to 32, got 0"),
        (["--mailbox-bytes", "lots"], "--mailbox-bytes: expected bytes"),
        (["--lag-seconds", "nan"], "--lag-seconds: expected 0 to"),
        (["--listen", "x"], "--listen: expected HOST:PORT"),
        (["--tls-certificate", "x"], "--tls-certificate: both or none"),
        (["--backups", "x"], "--backups: expected ws://"),
    ],
)
def test_a_mistake_on_the_command_line_names_its_flag(arguments: list[str], said: str) -> None:
    """As it was typed."""
    with pytest.raises(ConfigError, match=said):
        read(arguments)


def test_half_a_flag_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A later flag that begins alike must not change what a script means."""
    with pytest.raises(SystemExit) as end:
        read(["--worker", "2"])
    assert end.value.code == 2
    assert "unrecognized arguments: --worker 2" in capsys.readouterr().err


def test_a_flag_is_named_although_there_is_a_file(tmp_path: Path) -> None:
    """Whoever was wrong is told, not the file that was right."""
    with pytest.raises(ConfigError, match=r"^--workers: "):
        told(tmp_path, "[cloud]\nworkers = 2", "--workers", "99")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Not there, a folder, not UTF-8."""
    for name, content in (("none", None), ("latin", b"[cloud]\nlisten = '\xe9'")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=str(tmp_path / name)):
            read(["--config", str(tmp_path / name)])
    with pytest.raises(ConfigError, match="directory"):
        read(["--config", str(tmp_path)])


def test_every_setting_has_its_sentence_and_its_flag() -> None:
    """No key without a flag, no flag without a key, none without a word of explanation."""
    names = set(Settings.__struct_fields__)
    assert set(ABOUT) == names
    assert names <= set(vars(parser().parse_args([])))
    assert all(ABOUT.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1024", 1024), ("64k", 65536), ("64 KiB", 65536), ("16m", 16 << 20), ("1g", 1 << 30), (" 2MB ", 2 << 20)],
)
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    """With or without units."""
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "k", "1.5m", "-1", "1t", "1kk", "٣k", "1" * 5000])
def test_other_sizes_are_refused(text: str) -> None:
    """Fractions, signs, unknown units, digits of other scripts, more digits than Python converts."""
    with pytest.raises(ConfigError):
        size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("::1:0", ("::1", 0)),
        ("a.example:1", ("a.example", 1)),
    ],
)
def test_addresses_are_split(text: str, expected: Any) -> None:
    """IPv4, IPv6 with or without brackets, names."""
    assert split_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "host:x", "host:65536", "host:-1", "host:٣", "host:" + "1" * 5000]
)
def test_other_addresses_are_refused(text: str) -> None:
    """Without host, without port, ports that there are not."""
    with pytest.raises(ConfigError, match="HOST:PORT"):
        split_address(text)
