"""What `top` shows, as text: machines as lines, servers as rows. Pure; the screen and `--once` draw the same."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from watchkeeper.cli import figures, signs
from watchkeeper.cli.live.past import Minute
from watchkeeper.telling import Incident
from watchkeeper.web.shapes import MachineView, ServerView

HEADS = ("SERVER", "STATE", "UP", "CPU", "LAST MINUTE", "MEMORY", "RESTARTS", "REASON")
NARROW = ("SERVER", "STATE", "UP", "CPU", "MEMORY")
NARROW_WIDTH = 90
"""Below so many columns only the headline columns are shown."""
WIDE_WIDTH = 125
"""From so many columns on, traffic and uptime fit beside a machine's other figures."""
SPARKS = 12
BAR = 10


def heads(width: int) -> tuple[str, ...]:
    """The columns that fit."""
    return NARROW if width < NARROW_WIDTH else HEADS


def machine_line(view: MachineView, minute: Minute, now: int, width: int) -> Text:
    """One machine: sign, name, and its headline figures."""
    sign, seen = signs.of_machine(view), view.figures
    line = Text.assemble((sign.shape, sign.style), " ", (view.machine.name, "bold"))
    if view.health != "up":
        return line.append(f"  {sign.word}, last heard {figures.duration((now - view.seen_at) / 1000)} ago", sign.style)
    wide = width >= NARROW_WIDTH
    for word, ratio in (("cpu", seen.cpu_ratio), ("mem", seen.memory_ratio), ("disk", seen.disk_ratio)):
        line.append(f"  {word} ", "dim")
        if wide and word == "cpu":
            line.append(figures.blocks(minute.row((view.machine.name, "cpu"), now, SPARKS), SPARKS, 1.0) + " ", "cyan")
        elif wide:
            line.append(figures.bar(ratio, BAR) + " ", "cyan")
        line.append(figures.percent(ratio))
    line.append("  load ", "dim").append(figures.number(seen.load1))
    if width >= WIDE_WIDTH:
        received, sent = seen.network_receive_bytes_per_second, seen.network_transmit_bytes_per_second
        line.append("  net ", "dim").append(f"↓{figures.rate(received)} ↑{figures.rate(sent)}")
        line.append("  up ", "dim").append(figures.duration(seen.uptime_seconds))
    return line


def server_row(view: ServerView, servers: Sequence[ServerView], minute: Minute, now: int, width: int) -> tuple[Text, ...]:
    """One server's cells under `heads(width)`."""
    sign, seen, status = signs.of_server(view), view.figures, view.status
    known = view.health != "unknown"
    several = len({one.machine for one in servers}) > 1
    name = f"{view.machine}/{status.name}" if several else status.name
    running = known and status.started_at > 0
    cells = {
        "SERVER": Text(name, "bold"),
        "STATE": Text(sign.text(), sign.style),
        "UP": Text(figures.duration((now - status.started_at) / 1000) if running else figures.NONE, justify="right"),
        "CPU": Text(figures.percent(seen.cpu_ratio) if running else figures.NONE, justify="right"),
        "LAST MINUTE": Text(figures.blocks(minute.row((view.machine, status.name), now, SPARKS), SPARKS), "cyan"),
        "MEMORY": Text(figures.size(seen.memory_bytes) if running else figures.NONE, justify="right"),
        "RESTARTS": Text(str(status.restarts), justify="right"),
        "REASON": Text(status.reason if sign.rank < 4 or status.restarts else ""),
    }
    return tuple(cells[head] for head in heads(width))


def incident_line(one: Incident, now: int, width: int) -> Text:
    """An incident: its sign, how long it goes on, what it is, and who looks after it."""
    sign = signs.SEVERITIES[one.severity]
    line = Text.assemble((sign.shape, sign.style), " ", (f"{figures.duration((now - one.opened_at) / 1000):>6}", "dim"), "  ")
    line.append(one.title, "bold" if one.state == "open" else "")
    if one.drill:
        line.append("  drill", "dim")
    who = one.acknowledged_by or one.assigned_to
    line.append(f"  {who} looks after it" if one.acknowledged_by else f"  assigned to {who}" if who else "", "dim")
    line.truncate(width - 2, overflow="ellipsis")
    return line


def matches(words: str, *names: str) -> bool:
    """Whether each of the words that were typed is a part of one of these names, in any case."""
    whole = " ".join(names).lower()
    return all(word in whole for word in words.lower().split())


def order(servers: Sequence[ServerView]) -> list[ServerView]:
    """Worst first, then by name."""
    return sorted(servers, key=lambda view: (signs.of_server(view).rank, view.machine, view.status.name))
