"""What all pages show: fresh figures, read once for all, and the truth about what is not known."""

from __future__ import annotations

import msgspec
import pytest

from rigs.desk import MemoryStore, StandInDesk, series
from watchkeeper.clock import FakeClock
from watchkeeper.errors import Refused
from watchkeeper.model import Health, Machine, ProbeResult, ServerState, ServerStatus
from watchkeeper.web.board import FRESH_FOR, TOLD_FOR, Board
from watchkeeper.web.desk import Presence
from watchkeeper.web.headline import SLOW_ROUND
from watchkeeper.web.overview import (
    machine_health,
    needs_attention,
    sentence,
    server_health,
    worst_first_machines,
    worst_first_servers,
    wrong_count,
)
from watchkeeper.web.panels import PANELS
from watchkeeper.web.shapes import MachineFigures, MachineView, ServerFigures, ServerView

NOW = 1_760_000_000_000


class CountingStore(MemoryStore):
    """A store that counts how often it is asked."""

    asked = 0

    def latest(self, matchers):
        """As ever, and one more."""
        self.asked += 1
        return super().latest(matchers)


@pytest.fixture
def desk() -> StandInDesk:
    """A desk whose clock stands still."""
    found = StandInDesk(None)  # type: ignore[arg-type]  # the board reads no journal
    found.clock = FakeClock(wall=NOW / 1000)
    found.store = CountingStore()
    return found


def machine(name: str, health: Health = "up") -> MachineView:
    """A machine's view."""
    return MachineView(Machine(name, "Linux", "6", "x", 1, 1, 0, "0", 0), health, health == "up", 0, 1.0, MachineFigures())


def server(name: str, state: ServerState, health: Health, on: str = "alpha") -> ServerView:
    """A server's view."""
    return ServerView(on, ServerStatus(name, "process", state, health, 1), health, ServerFigures())


UP = server("up", ServerState.RUNNING, "up")
DOWN = server("down", ServerState.RUNNING, "down")
LOST = server("lost", ServerState.RUNNING, "unknown")
BACKOFF = server("again", ServerState.BACKOFF, "down")
STOPPED = server("stopped", ServerState.STOPPED, "down")


def test_everything_is_read_once_for_all_who_look(desk: StandInDesk) -> None:
    """Within half a second one reading serves; a change or time makes a new one, and so does a clock set back."""
    board = Board(desk)
    first = board.reading()
    assert board.reading() is first
    assert desk.store.asked == 1
    desk.changes.frame("alpha")
    assert board.reading() is first
    desk.changes.status("alpha")
    second = board.reading()
    assert second is not first
    desk.clock.advance(FRESH_FOR / 1000)
    third = board.reading()
    assert third is not second
    desk.clock.set_wall(NOW / 1000 - 3600)
    assert board.reading() is not third


def test_figures_of_a_machine_and_its_servers(desk: StandInDesk) -> None:
    """Headline figures from the newest values: the fullest real disk and not a mean, memory as its share."""
    for name, value, labels in (
        ("node_memory_MemTotal_bytes", 100, {}),
        ("node_memory_MemAvailable_bytes", 25, {}),
        ("node_load1", 0.5, {}),
        ("node_filesystem_size_bytes", 100, {"mountpoint": "/", "fstype": "ext4"}),
        ("node_filesystem_avail_bytes", 60, {"mountpoint": "/", "fstype": "ext4"}),
        ("node_filesystem_size_bytes", 10, {"mountpoint": "/data", "fstype": "xfs"}),
        ("node_filesystem_avail_bytes", 1, {"mountpoint": "/data", "fstype": "xfs"}),
        ("node_filesystem_size_bytes", 10, {"mountpoint": "/run", "fstype": "tmpfs"}),
        ("node_filesystem_avail_bytes", 0, {"mountpoint": "/run", "fstype": "tmpfs"}),
        ("process_resident_memory_bytes", 50, {"server": "web"}),
        ("process_threads", 3, {"server": "web"}),
        ("process_threads", 9, {"server": "jobs"}),
    ):
        desk.store.put(series(name, **labels), NOW - 1000, value)
    desk.store.put(series("process_cpu_seconds_total", server="web"), NOW - 2000, 10.0)
    desk.store.put(series("process_cpu_seconds_total", server="web"), NOW - 1000, 10.5)
    board = Board(desk)
    figures = board.machine("alpha").figures
    assert (figures.memory_ratio, figures.memory_used_bytes, figures.load1) == (0.75, 75, 0.5)
    assert (figures.disk_ratio, figures.disk_mountpoint, figures.disk_free_bytes) == (0.9, "/data", 1)
    assert figures.cpu_ratio is None
    web = board.server("alpha", "web").figures
    assert (web.cpu_ratio, web.memory_bytes, web.threads) == (0.5, 50, 3)
    assert board.server("alpha", "jobs").figures == ServerFigures()


def test_a_glance_reads_what_somebody_shows(desk: StandInDesk) -> None:
    """Figures of a machine that no page shows are not read; how it stands is; old ones are blank, and read again when shown."""
    desk.store.put(series("node_load1"), NOW - 1000, 0.5)
    board = Board(desk)
    assert board.glance().machines[0].figures.load1 == 0.5  # nothing was known: it is read
    read = desk.store.asked
    desk.store.put(series("node_load1"), NOW, 2.5)
    desk.turn("web", health="down", state=ServerState.BACKOFF, pid=0)
    view = board.glance()
    assert (view.machines[0].figures.load1, view.wrong, desk.store.asked) == (0.5, 1, read)
    assert board.glance() is view
    board.watch(["alpha"])
    assert board.glance().machines[0].figures.load1 == 2.5
    board.watch((), instead_of=["alpha"])
    desk.clock.advance(4)
    desk.changes.frame("alpha")
    assert board.glance().machines[0].figures == MachineFigures()
    assert board.machine("alpha").figures.load1 == 2.5


def test_a_probe_is_shown_as_of_its_newest_figures(desk: StandInDesk) -> None:
    """Its agent says a word only when the verdict changes; a newer miss that changed none keeps the last words."""
    probe = ProbeResult("http", "http", ok=True, at=NOW - 90_000, duration=0.5)
    desk.turn("web", probes=(probe, msgspec.structs.replace(probe, name="tcp")))
    for name, value in (("probe_success", 1.0), ("probe_duration_seconds", 0.25)):
        desk.store.put(series(name, server="web", probe="http"), NOW - 1000, value)
    board = Board(desk)
    http, tcp = board.server("alpha", "web").status.probes
    assert (http.at, http.duration, http.ok) == (NOW - 1000, 0.25, True)
    assert tcp.at == NOW - 90_000
    desk.store.put(series("probe_success", server="web", probe="http"), NOW, 0.0)
    assert Board(desk).server("alpha", "web").status.probes[0] == probe


def test_a_servers_own_charts_are_of_what_it_tells(desk: StandInDesk) -> None:
    """Of the last day; of the server and no other; and a panel of a name alone is the same."""
    desk.store.put(series("jobs", server="web"), NOW - 1000, 1)
    desk.store.put(series("old", server="web"), NOW - TOLD_FOR, 1)
    desk.store.put(series("others", server="jobs"), NOW - 1000, 1)
    board = Board(desk)
    (panel,) = board.own_panels("alpha", "web")
    assert panel.name == "own:jobs"
    known = board.panel("own:jobs")
    assert known is not None
    assert (known.title, known.terms) == (panel.title, panel.terms)
    point = board.point("own:jobs", "alpha", "web")
    assert point is not None
    assert point.values == {"value": 1}
    assert board.panel("cpu") is PANELS["cpu"]
    with pytest.raises(Refused, match="did you mean 'web'"):
        board.own_panels("alpha", "wep")


def test_a_silent_machine_shows_nothing_as_if_it_were_new(desk: StandInDesk) -> None:
    """Away or long silent: unknown, its servers too, and no figures."""
    desk.store.put(series("node_load1"), NOW - 1000, 0.5)
    desk.connected = False
    board = Board(desk)
    assert board.machine("alpha").health == "unknown"
    assert board.machine("alpha").figures == MachineFigures()
    assert {view.health for view in board.servers("alpha")} == {"unknown"}
    assert board.reading().wrong == 1


def test_old_values_are_not_shown(desk: StandInDesk) -> None:
    """A figure that nobody has told for longer than the slowest round is not known."""
    desk.store.put(series("node_load1"), NOW - SLOW_ROUND * 1000 - 1, 0.5)
    desk.store.put(series("node_memory_MemTotal_bytes"), NOW - 1000, float("nan"))
    figures = Board(desk).machine("alpha").figures
    assert (figures.load1, figures.memory_total_bytes) == (None, None)


def test_unknown_names_are_refused_with_the_nearest(desk: StandInDesk) -> None:
    """For machines, for servers, and for servers of unknown machines."""
    board = Board(desk)
    for ask, code, near in (
        (lambda: board.machine("alpah"), "unknown-machine", "alpha"),
        (lambda: board.servers("alpah"), "unknown-machine", "alpha"),
        (lambda: board.server("alpha", "wep"), "unknown-server", "web"),
    ):
        with pytest.raises(Refused, match=near) as refused:
            ask()
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("connected", "silent", "period", "health"),
    [
        (True, 0, 1.0, "up"),
        (True, 5.0, 1.0, "up"),
        (True, 5.1, 1.0, "unknown"),
        (True, 30.0, 10.0, "up"),
        (True, 30.1, 10.0, "unknown"),
        (True, -3600, 1.0, "up"),
        (False, 0, 1.0, "unknown"),
    ],
)
def test_a_machine_is_up_while_its_agent_speaks(connected: bool, silent: float, period: float, health: Health) -> None:
    """Three rounds of silence, and at least five seconds."""
    presence = Presence(machine("alpha").machine, connected, NOW - round(silent * 1000), period)
    assert machine_health(presence, NOW) == health


def test_what_is_wrong_and_what_comes_first() -> None:
    """Down comes first, then unknown, up, and stopped on purpose, which is not wrong."""
    assert [needs_attention(view) for view in (UP, DOWN, LOST, BACKOFF, STOPPED)] == [False, True, False, True, False]
    assert worst_first_servers([STOPPED, UP, LOST, DOWN, BACKOFF]) == (BACKOFF, DOWN, LOST, UP, STOPPED)
    assert worst_first_machines([machine("b"), machine("c", "unknown"), machine("a")])[0].machine.name == "c"
    assert wrong_count([machine("a"), machine("b", "unknown")], [UP, DOWN, LOST, BACKOFF, STOPPED]) == 3
    assert server_health("up", "unknown") == "unknown"
    assert server_health("down", "up") == "down"


@pytest.mark.parametrize(
    ("machines", "servers", "said"),
    [
        ([], [], "No machine has reported yet."),
        ([machine("alpha")], [], "All is well: 1 machine watched, no server yet."),
        ([machine("alpha"), machine("b")], [UP], "All is well: 1 server up on 2 machines."),
        ([machine("alpha")], [UP, STOPPED], "All is well: 1 server up on 1 machine, 1 stopped on purpose."),
        ([machine("alpha")], [UP, LOST], "So far so good: 1 server up on 1 machine, 1 not known yet."),
        ([machine("alpha")], [DOWN], "1 server needs attention: down is down."),
        ([machine("alpha")], [DOWN, UP], "1 of 2 servers needs attention: down is down."),
        ([machine("alpha")], [DOWN, BACKOFF, UP], "2 of 3 servers need attention."),
        ([machine("alpha", "unknown")], [LOST], "alpha is out of touch, its 1 server unknown."),
        ([machine("alpha", "unknown"), machine("b", "unknown")], [], "2 of 2 machines are out of touch."),
        (
            [machine("alpha"), machine("b", "unknown")],
            [DOWN, server("x", ServerState.RUNNING, "unknown", "b")],
            "1 of 2 servers needs attention: down is down; b is out of touch, its 1 server unknown.",
        ),
    ],
)
def test_the_sentence(machines: list[MachineView], servers: list[ServerView], said: str) -> None:
    """Is anything wrong, in one line."""
    assert sentence(machines, servers) == said
