"""Configurations are read strictly, and every fault says where it is and what was expected."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from watchkeeper.config import Asked, Document, Part, decode_hook, encode_hook, load, parse
from watchkeeper.errors import ConfigError
from watchkeeper.quantities import Duration, Secret, Size


class Web(Asked, frozen=True, tag_field="kind", tag="web"):
    """A made-up leaf."""

    url: str
    limit: Size = Size(1 << 20)


class Door(Asked, frozen=True, tag_field="kind", tag="door"):
    """Another."""

    port: int = 1


class Server(Part, frozen=True):
    """A made-up table that holds leaves."""

    command: tuple[str, ...] = ()
    password: Secret | None = None
    probe: tuple[Web | Door, ...] = ()
    mode: str = "a"


def fault(text: str, name: str = "server") -> ConfigError:
    """The fault that this text is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse({"web.toml": text}).named(name, Server)
    return caught.value


def test_sections_decode_into_structs_with_quantities() -> None:
    """A section becomes its frozen struct: durations, sizes, secrets and tagged leaves in their own types."""
    text = """
    [server.web]
    command = ["run", "me"]
    password = { env = "SECRET_OF_WEB" }
    [[server.web.probe]]
    kind = "web"
    url = "http://x"
    timeout = "1m30s"
    limit = "2MiB"
    [[server.web.probe]]
    kind = "door"
    """
    web = parse({"a.toml": text}).named("server", Server)["web"]
    assert web.command == ("run", "me")
    assert web.password == Secret(env="SECRET_OF_WEB")
    assert web.probe == (Web(url="http://x", timeout=Duration(90), limit=Size(2 << 20)), Door())


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ('[server.web]\nkommand = ["x"]', "web.toml:2 (server.web.kommand)", "did you mean 'command'?"),
        ('[server.web]\ncommand = "x"', "web.toml:2 (server.web.command)", "Expected `array`"),
        ('[server.web]\n[[server.web.probe]]\nkind = "wep"', "web.toml:3", "did you mean 'web'?"),
        ('[server.web]\n[[server.web.probe]]\nkind = "web"', "web.toml:2", "the key 'url' is missing"),
        (
            '[server.web]\n[[server.web.probe]]\nkind = "door"\n[[server.web.probe]]\nkind = "door"\npotr = 1',
            "web.toml:6 (server.web.probe[1].potr)",
            "did you mean 'port'?",
        ),
        ('[server.web]\n[[server.web.probe]]\nkind = "door"\ntimeout = "5 min"', "web.toml:4", 'such as "30s"'),
        ('[server."a/b"]\n', "server.a/b", "a name has 1 to 63"),
        ('[server.web]\npassword = "hunter2"', "web.toml:2", "by reference"),
        ("[server.web]\npassword = { }", "web.toml:2", "by reference"),
        ("[server.web\n", "web.toml:1", "Expected"),
    ],
)
def test_faults_name_file_line_table_and_what_was_expected(text: str, where: str, said: str) -> None:
    """Each kind of mistake points at its line and says what would be right."""
    found = fault(text)
    assert where in str(found)
    assert said in found.problem


def test_secrets_are_never_echoed() -> None:
    """A secret written in clear is refused without repeating it, and a revealed one is no part of the struct."""
    assert "hunter2" not in str(fault('[server.web]\npassword = "hunter2"'))
    assert "hunter2" not in repr(Secret(env="X"))


def test_a_secret_is_read_from_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment and file both serve; a missing one names the reference alone."""
    (tmp_path / "s").write_text("hunter2\n", encoding="utf-8")
    monkeypatch.setenv("WK_TEST_SECRET", "from-env")
    assert Secret(file=str(tmp_path / "s")).reveal() == "hunter2"
    assert Secret(env="WK_TEST_SECRET").reveal() == "from-env"
    with pytest.raises(ConfigError, match="WK_NOT_THERE"):
        Secret(env="WK_NOT_THERE").reveal()
    with pytest.raises(ConfigError, match="cannot be read"):
        Secret(file=str(tmp_path / "none")).reveal()


def test_conf_d_joins_in_name_order_and_never_overrides_silently(tmp_path: Path) -> None:
    """Sections from several files join; the same key twice is a fault that names both files."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "main.toml").write_text('[server.a]\ncommand = ["x"]\n', encoding="utf-8")
    (tmp_path / "conf.d" / "b.toml").write_text('[server.b]\ncommand = ["y"]\n', encoding="utf-8")
    assert list(load(tmp_path / "main.toml").named("server", Server)) == ["a", "b"]
    (tmp_path / "conf.d" / "c.toml").write_text('[server.b]\ncommand = ["z"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"server\.b\.command is set here and in .*b\.toml"):
        load(tmp_path / "main.toml")


def test_unreadable_files_and_unknown_tables_are_faults(tmp_path: Path) -> None:
    """A missing file, bytes that are no text and a table that nobody owns are told apart."""
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="did you mean 'server'"):
        parse({"x.toml": "[sever.a]\n"}).only({"server": "agent", "hub": "hub"})


def test_a_config_round_trips_through_its_shown_form() -> None:
    """What `config show` writes is what was read."""
    probe = Web(url="http://x", timeout=Duration(5400), limit=Size(3 << 30))
    shown = msgspec.to_builtins(probe, enc_hook=encode_hook)
    assert shown["timeout"] == "1h30m"
    assert shown["limit"] == "3GiB"
    assert msgspec.convert(shown, Web, dec_hook=decode_hook) == probe


def test_an_empty_document_gives_defaults() -> None:
    """No table at all means every default."""
    assert Document({}, {}).part("server", Server) == Server()
