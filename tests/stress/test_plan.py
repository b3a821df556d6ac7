"""Plans are read strictly, settle what they leave open, and refuse what does not go together."""

from __future__ import annotations

import pytest

from watchkeeper.cli.config import as_toml, without_none
from watchkeeper.errors import ConfigError
from watchkeeper.stress import phases
from watchkeeper.stress.objective import Totals, judge
from watchkeeper.stress.plan import check_url, place, read, settled, written
from watchkeeper.stress.protocols import Http, Tcp, WebSocket
from watchkeeper.stress.shelf import built_in

LEAST = 'name = "mine"\n[target]\nurl = "http://127.0.0.1:80/a"\n[[phase]]\nkind = "smoke"\n'


def fault(text: str) -> str:
    """What a plan is refused with."""
    with pytest.raises(ConfigError) as caught:
        settled(*read({"mine.toml": text}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("http://a", Http),
        ("https://a:1/x", Http),
        ("ws://a/", WebSocket),
        ("wss://a", WebSocket),
        ("tcp://a:7", Tcp),
        ("tls://a:7", Tcp),
    ],
)
def test_an_address_says_what_is_spoken(url: str, protocol: type) -> None:
    """Where the plan does not."""
    plan = settled(*read({"mine.toml": LEAST}, {"target.url": url}))
    assert isinstance(plan.protocol, protocol)
    assert len(plan.mix) == 1


@pytest.mark.parametrize("url", ["a", "ftp://a", "http://", "tcp://a", "http://a:b", "http://u:p@a", "http://[::1"])
def test_what_is_no_target_is_refused(url: str) -> None:
    """Unknown schemes, no host, no port where there is no usual one, and passwords, which would be written down."""
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.mark.parametrize(
    ("protocol", "operation", "goal", "why"),
    [
        ("http", "", "loss = 0", "http numbers no messages"),
        ("websocket", "", "reordered < 1%", "websocket numbers no messages"),
        ("cloud", "", "loss = 0", ""),
        ("cloud", '[{ name = "a" }, { name = "b", does = "ping" }]', "loss of a = 0", ""),
        (
            "cloud",
            '[{ name = "a" }, { name = "b", does = "ping" }]',
            "loss of b = 0",
            "the operation b of cloud numbers no messages",
        ),
        ("http", "", "errors < 1%", ""),
    ],
)
def test_what_nobody_counts_is_not_held(protocol: str, operation: str, goal: str, why: str) -> None:
    """That a protocol has lost none of the messages that it does not number is not judged, and the reader learns why."""
    text = LEAST.replace('"mine"', f'"mine"\nobjectives = ["{goal}"]')
    text += f'[protocol]\nkind = "{protocol}"\n' + (f"operation = {operation}\n" if operation else "")
    plan = settled(*read({"mine.toml": text}))
    seen = Totals()
    seen.scheduled = 100
    found = judge(plan.goals[0], seen)
    assert (found.held, found.why) == (None if why else True, why)


def test_ports() -> None:
    """The usual ones are known."""
    assert [place(url)[1] for url in ("http://a", "https://a", "ws://a", "wss://a", "tcp://a:5")] == [80, 443, 80, 443, 5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            LEAST.replace("smoke", "smoek"),
            "mine.toml:5 (phase[0].kind): 'smoek' is not one of the known values; did you mean 'smoke'?",
        ),
        (LEAST.replace('"mine"', '"My Plan"'), "small letters, digits and dashes"),
        ("connectoins = 3\n" + LEAST, "did you mean 'connections'?"),
        ('objectives = ["p98 < 1s"]\n' + LEAST, "not measured"),
        ('objectives = ["p99 of login < 1s"]\n' + LEAST, "there is no operation 'login'; known: get"),
        ('objectives = ["p99 in soak < 1s"]\n' + LEAST, "there is no phase 'soak'; known: smoke"),
        (LEAST + 'operations = ["put"]\n', "there is no operation 'put'"),
        (LEAST + '[[phase]]\nkind = "plateau"\n', "plateau goes by the knee"),
        (LEAST + '[[phase]]\nkind = "spike"\n', "spike goes by the knee"),
        (LEAST + '[[phase]]\nkind = "recovery"\nrate = 5\n', "recovery is measured against"),
        (LEAST + '[[phase]]\nkind = "constant"\nrate = 5\nlasts = "5h"\n', "more than safety.max_time"),
        (LEAST + '[[phase]]\nkind = "constant"\n', "how much"),
        (LEAST + '[[phase]]\nkind = "constant"\nrate = 1\nusers = 2\n', "one of rate"),
        (LEAST + '[[phase]]\nkind = "spike"\nrate = 1\n', "both rate and peak"),
        (
            LEAST + '[protocol]\nkind = "http"\n[[protocol.operation]]\nname = "a"\n[[protocol.operation]]\nname = "a"\n',
            "two operations",
        ),
        (LEAST + '[protocol]\nkind = "http"\n[[protocol.operation]]\nname = "a"\nweight = 0\n', "no operation has a weight"),
        ('name = "x"\n[target]\nurl = "http://a"\n', "at least one [[phase]]"),
        ('name = "x"\n[[phase]]\nkind = "smoke"\n', "no target"),
        ('timeout = "0s"\n' + LEAST, "between 10ms and 1h"),
    ],
)
def test_what_does_not_go_together_is_refused(change: str, said: str) -> None:
    """With the place where it stands."""
    assert said in fault(change)


def test_later_phases_may_go_by_a_knee_that_is_given() -> None:
    """Without a search before them."""
    plan = settled(*read({"mine.toml": "knee = 500\n" + LEAST + '[[phase]]\nkind = "plateau"\n'}))
    assert plan.knee == 500


def test_a_command_line_may_set_any_key() -> None:
    """By its dotted name; a key that is none is told with what was meant."""
    plan, _ = read({"mine.toml": LEAST}, {"safety.max_rate": 7, "connections": 3})
    assert (plan.safety.max_rate, plan.connections) == (7, 3)
    with pytest.raises(ConfigError, match="did you mean 'max_rate'"):
        read({"mine.toml": LEAST}, {"safety.max_rat": 7})
    with pytest.raises(ConfigError, match="is not a table"):
        read({"mine.toml": LEAST}, {"name.x": 7})


@pytest.mark.parametrize("name", sorted(built_in()))
def test_built_in_plans_are_right(name: str) -> None:
    """Each can be settled for a target, says what it does, and survives being written down and read again."""
    path = built_in()[name]
    plan, document = read({path.name: path.read_text()}, {"target.url": "ws://127.0.0.1:9/"})
    plan = settled(plan, document)
    assert plan.name == name
    assert plan.about
    assert plan.objectives
    again, _ = read({"again.toml": as_toml(without_none(written(plan)))})
    assert again == plan


def test_all_plans_that_are_promised_are_there() -> None:
    """By the names that the texts use."""
    promised = {
        "smoke",
        "capacity",
        "spike",
        "soak",
        "overload",
        "reconnect-storm",
        "slow-readers",
        "fan-out",
        "idle-connections",
        "full",
    }
    assert set(built_in()) == promised


def test_how_long_it_may_take_is_known_before() -> None:
    """Each kind of phase has a bound."""
    for arm in phases.Leaf.__args__:
        given = {"begin": 1.0, "end": 2.0} if arm is phases.Ramp else {"rate": 1.0} if issubclass(arm, phases.Levelled) else {}
        assert phases.seconds_at_most(arm(**given)) > 0
