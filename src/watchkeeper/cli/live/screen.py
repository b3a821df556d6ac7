"""The live screen of `top`: incidents, machines, servers, one line of news, and a server's output when it is asked for.

It hears the feed and draws; orders go back through it. What it shows while the hub is away says so and
greys out; nothing on it is ever invented. Textual owns the terminal and gives it back, whatever happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Input, Label, RichLog, Static

from watchkeeper.cli.live.feed import Feed, Heard, Lost
from watchkeeper.cli.live.past import Minute
from watchkeeper.cli.live.picture import heads, incident_line, machine_line, matches, order, server_row
from watchkeeper.cli.live.programs import Program, lines
from watchkeeper.errors import Failed, Refused
from watchkeeper.model import Verb
from watchkeeper.telling import Incident
from watchkeeper.web.shapes import ActionNews, AlertNews, LogNews, News, ServerView, Tick

HELP = """\
 ↑ ↓   choose a server            s   start it
 l     its output, and back       x   stop it
 p     what takes its machine     r   restart it
 /     show what matches          a   acknowledge the first incident
 Esc   show all again
 q     quit                       ?   this help
Stop and restart ask first. What runs here goes on when you quit."""


KEYS = "↑↓ choose   / filter   s start   x stop   r restart   l output   p programs   a acknowledge   ? help   q quit"
AGAIN = 20.0
"""Seconds after which incidents are asked for again though no alert has changed: people acknowledge them elsewhere."""
LOOKED = 10.0
"""Seconds after which programs are asked for again: as often as agents look."""
LISTED = 7
SETTLED = 1.0
"""Seconds from an alert's news until its incident is written."""


class Asking(ModalScreen[bool]):
    """A question that only y answers with yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q,enter", "answer(False)", "no"),
    ]
    CSS = "Asking { align: center middle; } Asking Label { border: round $warning; padding: 1 3; background: $surface; }"

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """One line."""
        yield Label(f"{self._question}  y / n", markup=False)

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001  # the framework's way to pass it
        """Give it back."""
        self.dismiss(yes)


class Help(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "back")]
    CSS = "Help { align: center middle; } Help Label { border: round $primary; padding: 1 3; background: $surface; }"

    def compose(self) -> ComposeResult:
        """All of them."""
        yield Label(HELP, markup=False)


class Top(App[None]):
    """The whole screen."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #sentence { height: 1; text-style: bold; padding: 0 1; }
    #incidents { height: auto; max-height: 8; padding: 0 1; display: none; }
    #incidents.shown { display: block; }
    #filter { display: none; height: 1; border: none; padding: 0 1; }
    #filter.shown { display: block; }
    #machines { height: auto; max-height: 40%; padding: 1 1; }
    #servers { height: 1fr; background: $background; }
    #programs { height: auto; display: none; padding: 0 0 1 0; }
    #programs.shown { display: block; }
    #output { height: 1fr; display: none; border-top: solid $primary; }
    #output.shown { display: block; }
    #news { height: 1; padding: 0 1; color: $text-muted; }
    #keys { height: 1; padding: 0 1; color: $text-muted; }
    .away #machines, .away #servers { opacity: 50%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "quit"),
        Binding("s", "order('start')", "start"),
        Binding("x", "order('stop')", "stop"),
        Binding("r", "order('restart')", "restart"),
        Binding("l", "output", "output"),
        Binding("p", "programs", "programs"),
        Binding("a", "acknowledge", "acknowledge"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "back", "back", show=False),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(self, feed: Feed) -> None:
        """Nothing is opened before it runs."""
        super().__init__(ansi_color=True)
        self._feed = feed
        self._minute = Minute()
        self._tick: Tick | None = None
        self._columns: tuple[str, ...] = ()
        self._shown: list[tuple[str, str]] = []
        self._followed = ("", "")
        self._width = 80
        self._wanted = ""
        self._incidents: tuple[Incident, ...] = ()
        self._looked = ""
        """The machine whose programs are shown, and"""
        self._programs: list[Program] | None = None
        """these as last told; None: not yet."""

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static("asking the hub …", id="sentence", markup=False)
        yield Static(id="incidents", markup=False)
        yield Static(id="machines", markup=False)
        yield Static(id="programs", markup=False)
        yield Input(id="filter", placeholder="name of a machine or server", compact=True)
        with Vertical():
            yield DataTable(id="servers", cursor_type="row", zebra_stripes=False)
            yield RichLog(id="output", max_lines=2000, wrap=True, markup=False, highlight=False)
        yield Static(id="news", markup=False)
        yield Static(KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Begin to listen."""
        self.query_one("#servers", DataTable).focus()
        self.run_worker(self._listen(), name="feed", exit_on_error=True)
        self.set_interval(AGAIN, self._look_up)
        self.set_interval(LOOKED, self._look_at_programs)

    def on_resize(self, event: Resize) -> None:
        """Other columns may fit now."""
        self._width = event.size.width
        self._draw()
        self._draw_programs()

    async def _listen(self) -> None:
        async for heard in self._feed.listen():
            self.hear(heard)

    def hear(self, heard: Heard) -> None:
        """One thing that the hub says, or its absence."""
        match heard:
            case Tick():
                if self._tick is None or self.has_class("away"):
                    self._look_up()
                self._tick = heard
                self.remove_class("away")
                self._remember(heard)
                self._draw()
            case Lost(why):
                self.add_class("away")
                self.query_one("#sentence", Static).update(Text(f"◌ {why}; trying again", "magenta"))
            case News(event):
                self._say(event.text)
            case AlertNews():
                self.set_timer(SETTLED, self._look_up)
            case ActionNews(action) if action.outcome:
                self._say(action.outcome.text)
            case LogNews(machine, server, lines, why) if (machine, server) == self._followed:
                output = self.query_one("#output", RichLog)
                for line in lines:
                    output.write(Text(line))
                if why:
                    output.write(Text(why, "magenta"))

    def action_order(self, verb: Verb) -> None:
        """Start, stop or restart the chosen server; the latter two only after a yes."""
        view = self._chosen()
        if view is None:
            return
        place = (view.machine, view.status.name)

        def go(yes: bool | None) -> None:  # noqa: FBT001  # what a dismissed question passes
            if yes:
                self.run_worker(self._order(*place, verb), name=f"{verb} {place[1]}", exit_on_error=True)

        if verb == "start":
            go(yes=True)
        else:
            self.push_screen(Asking(f"{verb} {place[1]} on {place[0]}?"), go)

    async def action_output(self) -> None:
        """Show the chosen server's output, or put it away."""
        output = self.query_one("#output", RichLog)
        view = self._chosen()
        if output.has_class("shown") or view is None:
            await self.action_close_output()
            return
        self._followed = (view.machine, view.status.name)
        output.clear()
        output.border_title = f"output of {view.status.name}"
        output.add_class("shown")
        await self._feed.follow(*self._followed)

    def action_programs(self) -> None:
        """Show what takes the machine of the chosen server, or the first one; or put it away."""
        box = self.query_one("#programs", Static)
        view = self._chosen()
        machines = [view.machine] if view else [one.machine.name for one in self._tick.machines] if self._tick else []
        if box.has_class("shown") or not machines:
            self._looked = ""
            box.remove_class("shown")
            return
        self._looked, self._programs = machines[0], None
        self._draw_programs()
        box.add_class("shown")
        self._look_at_programs()

    def action_filter(self) -> None:
        """Type what to show."""
        box = self.query_one("#filter", Input)
        box.add_class("shown")
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what matches, while it is typed."""
        self._wanted = event.value
        self._draw()

    def on_input_submitted(self) -> None:
        """Back to the servers, with what was typed still holding."""
        self.query_one("#servers", DataTable).focus()

    async def action_back(self) -> None:
        """Show all again, or put the output away."""
        box = self.query_one("#filter", Input)
        if box.has_class("shown"):
            box.value = ""
            box.remove_class("shown")
            self.query_one("#servers", DataTable).focus()
        else:
            await self.action_close_output()

    def action_acknowledge(self) -> None:
        """Say that one looks after the first incident that waits for somebody, after a yes."""
        waiting = next((one for one in self._incidents if one.state == "open"), None)
        if waiting is None:
            self._say("no incident waits for anybody")
            return

        def go(yes: bool | None) -> None:  # noqa: FBT001  # what a dismissed question passes
            if yes:
                self.run_worker(self._acknowledge(waiting), name="acknowledge", exit_on_error=True)

        self.push_screen(Asking(f"look after “{waiting.title}”?"), go)

    async def action_close_output(self) -> None:
        """Back to the servers alone."""
        self._followed = ("", "")
        self.query_one("#output", RichLog).remove_class("shown")
        await self._feed.follow("", "")

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(Help())

    async def _order(self, machine: str, server: str, verb: Verb) -> None:
        self._say(f"{verb} {server} …")
        try:
            action = await self._feed.act(machine, server, verb)
        except (Failed, Refused) as fault:
            self._say(fault.why)
            return
        self._say(action.outcome.text if action.outcome else f"{verb} {server}: still under way")

    async def _acknowledge(self, incident: Incident) -> None:
        try:
            await self._feed.acknowledge(incident.id)
            self._say(f"you look after “{incident.title}” now")
        except (Failed, Refused) as fault:
            self._say(fault.why)
        self._look_up()

    def _look_up(self) -> None:
        """Ask what goes on; the newest question alone counts."""
        self.run_worker(self._ask_incidents(), name="incidents", group="incidents", exclusive=True, exit_on_error=True)

    def _look_at_programs(self) -> None:
        """Ask what takes the machine that is looked at."""
        if self._looked:
            self.run_worker(self._ask_programs(), name="programs", group="programs", exclusive=True, exit_on_error=True)

    async def _ask_programs(self) -> None:
        machine = self._looked
        try:
            found = await self._feed.programs(machine)
        except (Failed, Refused) as fault:
            self._say(fault.why)
            return
        if machine == self._looked:
            self._programs = found
            self._draw_programs()

    async def _ask_incidents(self) -> None:
        try:
            self._incidents = await self._feed.incidents()
        except (Failed, Refused):
            return  # the stream says what is wrong with the hub
        self._draw()

    def _remember(self, tick: Tick) -> None:
        for machine in tick.machines:
            self._minute.add((machine.machine.name, "cpu"), tick.at, machine.figures.cpu_ratio)
        for server in tick.servers:
            self._minute.add((server.machine, server.status.name), tick.at, server.figures.cpu_ratio)
        names = {(machine.machine.name, "cpu") for machine in tick.machines}
        self._minute.keep(names | {(server.machine, server.status.name) for server in tick.servers})

    def _draw(self) -> None:
        if (tick := self._tick) is None:
            return
        width = self._width
        self.query_one("#sentence", Static).update(Text(tick.sentence, "red" if tick.wrong else "green"))
        self._draw_incidents(tick.at)
        machines = [view for view in tick.machines if self._shows(view.machine.name, tick.servers)]
        lines = [machine_line(view, self._minute, tick.at, width) for view in machines]
        self.query_one("#machines", Static).update(Text("\n").join(lines))
        table = self.query_one("#servers", DataTable)
        if self._columns != heads(width):
            self._columns = heads(width)
            table.clear(columns=True)
            table.add_columns(*self._columns)
            self._shown = []
        servers = order([view for view in tick.servers if matches(self._wanted, view.machine, view.status.name)])
        rows = [(view.machine, view.status.name) for view in servers]
        if rows != self._shown:
            chosen = self._shown[table.cursor_row] if 0 <= table.cursor_row < len(self._shown) else None
            table.clear()
            for view in servers:
                table.add_row(*server_row(view, servers, self._minute, tick.at, width))
            self._shown = rows
            if chosen in rows:
                table.move_cursor(row=rows.index(chosen))
            return
        for place, view in enumerate(servers):
            for column, cell in enumerate(server_row(view, servers, self._minute, tick.at, width)):
                table.update_cell_at((place, column), cell, update_width=True)  # type: ignore[arg-type]  # a pair is a coordinate

    def _draw_programs(self) -> None:
        asking = [Text(f"  asking {self._looked} …", "dim")]
        told = asking if self._programs is None else lines(self._looked, self._programs, self._width)
        self.query_one("#programs", Static).update(Text("\n").join(told))

    def _draw_incidents(self, now: int) -> None:
        box = self.query_one("#incidents", Static)
        box.set_class(bool(self._incidents), "shown")
        lines = [incident_line(one, now, self._width) for one in self._incidents[:LISTED]]
        if (more := len(self._incidents) - LISTED) > 0:
            lines.append(Text(f"  and {more} more", "dim"))
        box.update(Text("\n").join(lines))

    def _shows(self, machine: str, servers: Sequence[ServerView]) -> bool:
        """Whether a machine is to be seen: it matches itself, or one of its servers does."""
        names = [view.status.name for view in servers if view.machine == machine]
        return matches(self._wanted, machine, *names)

    def _chosen(self) -> ServerView | None:
        table = self.query_one("#servers", DataTable)
        if self._tick is None or not 0 <= table.cursor_row < len(self._shown):
            return None
        place = self._shown[table.cursor_row]
        return next((view for view in self._tick.servers if (view.machine, view.status.name) == place), None)

    def _say(self, text: str) -> None:
        self.query_one("#news", Static).update(Text(text))
