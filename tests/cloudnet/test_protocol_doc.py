"""docs/cloud-protocol.md says what the code does: every packet, field, default, code, limit, time and metric stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloudnet import (
    asking,
    connection,
    courier,
    directory,
    frames,
    framing,
    greeting,
    keys,
    limits,
    link,
    observe,
    packets,
    pen,
    porch,
    presence,
    reaching,
    relay,
    sealed,
    server,
    session,
)
from cloudnet.codes import Close, Code
from cloudnet.packets import Entry, Limits, Profile, Resume
from rigs.wire import CLIENT, SERVER

TEXT = (Path(__file__).parents[2] / "docs" / "cloud-protocol.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^#{2,3} ", TEXT, flags=re.MULTILINE)}
MADE_UP = {"Limits": "65 Welcome", "Profile": "Profile"}


def rows(part: str) -> list[list[str]]:
    """The cells of all tables in a part of the page."""
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def fields_of(title: str) -> list[str]:
    """The fields that a section's tables name, in order."""
    return [found[1] for row in rows(SECTIONS[title]) if (found := re.fullmatch(r"`(\w+)`", row[0]))]


@pytest.mark.parametrize("kind", [*CLIENT, *SERVER], ids=lambda kind: kind.__name__)
def test_each_packet_has_its_section_with_all_fields_in_order(kind: Any) -> None:
    """Number and name as the title, one row a field, and no row of a field that there is not."""
    title = f"{kind.__struct_config__.tag} {kind.__name__}"
    expected = [field.name for field in msgspec.structs.fields(kind)]
    if kind is packets.Welcome:
        expected += [field.name for field in msgspec.structs.fields(Limits)]
    assert fields_of(title) == expected


def test_profiles_are_described_field_by_field() -> None:
    """As packets are; the two small arrays are named where they stand."""
    assert fields_of("Profile") == [field.name for field in msgspec.structs.fields(Profile)]
    assert [field.name for field in msgspec.structs.fields(Resume)] == ["epoch", "position"]
    assert "array of `epoch` (bytes 16) and `position` (int)" in SECTIONS["1 Login"]
    assert all(f"`{field.name}` (" in SECTIONS["71 Found"] for field in msgspec.structs.fields(Entry))


@pytest.mark.parametrize("kind", [*CLIENT, *SERVER, Profile], ids=lambda kind: kind.__name__)
def test_what_may_be_left_out_says_so(kind: Any) -> None:
    """A field with a default says "default", one without does not."""
    title = "Profile" if kind is Profile else f"{kind.__struct_config__.tag} {kind.__name__}"
    cells = {row[0].strip("`"): row[1] for row in rows(SECTIONS[title])}
    for field in msgspec.structs.fields(kind):
        assert ("default" in cells[field.name]) == (not field.required), field.name


def test_the_limits_have_their_defaults() -> None:
    """Each number."""
    cells = {row[0].strip("`"): row[1] for row in rows(SECTIONS["65 Welcome"])}
    for field in msgspec.structs.fields(Limits):
        assert cells[field.name] == str(field.default)


def test_every_code_is_explained_and_none_besides() -> None:
    """The words that programs may rely on, and the close codes with their names."""
    cells = rows(SECTIONS["Codes"])
    words = [row[0].strip("`") for row in cells if re.fullmatch(r"`[a-z-]+`", row[0])]
    assert words == [str(code) for code in Code]
    numbers = {int(row[0]): row[1].strip("`") for row in cells if row[0].isdecimal()}
    assert numbers == {framing.INVALID_TEXT: "INVALID_TEXT"} | {int(close): close.name for close in Close}


@pytest.mark.parametrize(
    ("room", "name"),
    [
        *((packets, name) for name in ("VERSION", "KEY_BYTES", "ID_BYTES", "EPOCH_BYTES", "NONCE_BYTES", "SIGNATURE_BYTES")),
        *(
            (packets, name)
            for name in ("MESSAGE_BYTES", "BODY_BYTES", "PACKETS", "TEXT_CHARACTERS", "EXTRA_BYTES", "PAGE", "KEYS")
        ),
        (sealed, "OVERHEAD_BYTES"),
        (directory, "LOOKED_AT"),
        (directory, "LOOKED_AROUND"),
        (asking, "PROFILES"),
        (asking, "PAGES"),
        (courier, "SEEN"),
        (session, "BEATS"),
        (presence, "AWAY"),
        (porch, "GREETING_BYTES"),
        (limits, "FRAMES_PER_SECOND"),
        (limits, "FRAGMENT_BYTES"),
        (limits, "CONTROL_COST"),
        (limits, "FLOOD_SECONDS"),
    ],
    ids=str,
)
def test_every_limit_stands_beside_its_number(room: Any, name: str) -> None:
    """As "number … (`NAME`)" or "(`NAME`, number)"."""
    number = getattr(room, name)
    assert re.search(rf"\b{number}\b[^|.;\n]*\n?[^|.;\n]*\(`{name}`\)|\(`{name}`, {number}\)", TEXT), (name, number)


def test_no_limit_of_the_packets_is_left_out() -> None:
    """What the test above names is all there is."""
    names = {name for name, value in vars(packets).items() if name.isupper() and isinstance(value, int)}
    assert names == {name for name in names if f"`{name}`" in TEXT}


TIMES = {
    (greeting.GREETING_SECONDS, "`GREETING_SECONDS`", "server"),
    (session.PING_SECONDS, "`PING_SECONDS`", "server"),
    (session.SILENCE_SECONDS, "`SILENCE_SECONDS`", "server"),
    (session.KEEP_SECONDS, "`KEEP_SECONDS`", "server"),
    (session.DRAIN_SECONDS, "`DRAIN_SECONDS` (session)", "server"),
    (server.DRAIN_SECONDS, "`DRAIN_SECONDS` (server)", "server"),
    (frames.CLOSING_SECONDS, "`CLOSING_SECONDS`", "server"),
    (frames.WHOLE_SECONDS, "`WHOLE_SECONDS`", "server"),
    (pen.COMPANY_SECONDS, "`COMPANY_SECONDS`", "server"),
    (link.SILENCE_SECONDS, "`SILENCE_SECONDS`", "client"),
    (link.ANSWER_SECONDS, "`ANSWER_SECONDS`", "client"),
    (reaching.LOGIN_SECONDS, "`LOGIN_SECONDS`", "client"),
    (reaching.FIRST_PAUSE, "`FIRST_PAUSE`", "client"),
    (reaching.LONGEST_PAUSE, "`LONGEST_PAUSE`", "client"),
    (reaching.LIVED_SECONDS, "`LIVED_SECONDS`", "client"),
    (reaching.LEAVE_SECONDS, "`LEAVE_SECONDS`", "client"),
    (reaching.DOUBT_SECONDS, "`DOUBT_SECONDS`", "client"),
}


def test_every_time_has_its_row() -> None:
    """Seconds, name and side; and whatever room has another one is named here too."""
    assert {(float(row[0]), row[1], row[2]) for row in rows(SECTIONS["Times"])[1:]} == TIMES
    told = {name.strip("`").partition("`")[0] for _, name, _ in TIMES} | {"BURST_SECONDS", "HANDSHAKES_BURST_SECONDS"}
    for room in (greeting, session, frames, pen, connection, link, reaching, relay, limits):
        own = {name for name, value in vars(room).items() if name.isupper() and isinstance(value, float)}
        assert own <= told, room.__name__


def test_the_costs_are_told() -> None:
    """Of a register, a search and each look, and the bursts."""
    part = " ".join(SECTIONS["Overload"].split())
    assert f"`Register` {asking.REGISTER_COST} for each profile" in part
    assert f"a `Find` {asking.FIND_COST} (" in part
    assert f"every {asking.LOOKS_PER_MESSAGE} profiles that it looked at (`LOOKS_PER_MESSAGE`)" in part
    assert f"every {asking.KEYS_PER_MESSAGE} keys (`KEYS_PER_MESSAGE`)" in part
    assert f"{relay.BURST_SECONDS:.0f} s worth at once (`BURST_SECONDS`)" in part
    assert f"{limits.HANDSHAKES_BURST_SECONDS:.0f} s worth at once, `HANDSHAKES_BURST_SECONDS`" in part


def families() -> list[tuple[str, str, str]]:
    """Name, kind and sentence of each metric that the page of figures adds, read from its source."""
    found = []
    for node in ast.walk(ast.parse(Path(observe.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "out":
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            match node.func.attr:
                case "one" | "add":
                    found.append((node.lineno, words[0], words[1], words[2]))
                case "counts":
                    found.append((node.lineno, words[0], f"counter by `{words[1]}`", words[2]))
                case "histogram":
                    found.append((node.lineno, words[0], "histogram", words[1]))
    return [(name, kind, about) for _, name, kind, about in sorted(found)]


def test_every_metric_has_its_row() -> None:
    """As the server describes it itself, in its order."""
    told = [(row[0].strip("`"), row[1], row[2]) for row in rows(SECTIONS["Metrics"])[1:]]
    assert told == families()


def test_every_purpose_of_a_signature_is_spelled() -> None:
    """The beginnings of signed texts, as bytes of the code."""
    source = "".join(Path(room.__file__).read_text(encoding="utf-8") for room in (sealed, keys))
    purposes = re.findall(r'b"(cloudnet \w+ \d\\n)"', source)
    assert len(purposes) == 4
    assert all(f"`{purpose}`" in SECTIONS["What is signed"] for purpose in purposes)
