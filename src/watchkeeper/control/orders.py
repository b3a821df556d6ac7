"""Orders from outside, one at a time through one door: may it be done, what would it do, do it, answer.

The agent's own file has the last word (`permission`), a dry run is answered and nothing more (`foretelling`), start,
stop and restart are the supervisor's to carry out, pause, resume and expect are people's words that are kept (`upkeep`).
"""

from __future__ import annotations

from collections.abc import Mapping

from watchkeeper.clock import Clock, milliseconds
from watchkeeper.control.acting import Acting
from watchkeeper.control.foretelling import foretell
from watchkeeper.control.holding import LONGEST_SECONDS as LONGEST_HELD
from watchkeeper.control.holding import Holding
from watchkeeper.control.permission import ControlSettings, allowed, refusal
from watchkeeper.control.remembered import Saying
from watchkeeper.control.settings import AnyServer
from watchkeeper.control.supervisor import Supervisor
from watchkeeper.control.upkeep import Upkeep, clock_time
from watchkeeper.errors import Failed
from watchkeeper.model import Action, Outcome, Verb
from watchkeeper.quantities import Duration

REASON_CHARS = 500
LONGEST_SECONDS = 366 * 86_400.0


class Orders:
    """The door."""

    def __init__(self, supervisor: Supervisor, upkeep: Upkeep, acting: Acting, holding: Holding, clock: Clock) -> None:
        """Nothing is allowed before `replace`."""
        self._supervisor = supervisor
        self._upkeep = upkeep
        self._acting = acting
        self._holding = holding
        self._clock = clock
        self._control = ControlSettings(allow=())
        self._servers: Mapping[str, AnyServer] = {}

    def replace(self, control: ControlSettings, servers: Mapping[str, AnyServer]) -> None:
        """Go by these from now on."""
        self._control = control
        self._servers = servers
        self._acting.most = control.automatic

    def allowed(self, server: str) -> tuple[Verb, ...]:
        """What a hub may do to it."""
        settings = self._servers.get(server)
        may = allowed(self._control.allow, settings.control) if settings else ()
        return tuple(verb for verb in may if settings and verb in settings.verbs and (verb != "drill" or settings.drill))

    async def order(self, action: Action) -> Outcome:  # noqa: PLR0911  # a table of verbs
        """Carry one out, and wait until it is done; what is wrong with it is an outcome too."""
        kept, settings = self._supervisor.kept(action.server), self._servers.get(action.server)
        if kept is None or settings is None:
            return await self._supervisor.order(action)  # which knows the nearest name
        why = refusal(action.verb, action.server, self._control.allow, settings.control)
        if why := why or settings.lacks(action.verb) or _wrong(action, settings):
            return self._outcome(action, ok=False, text=why)
        if action.dry_run:
            pid = kept.process.pid if kept.process else 0
            held, blocked = self._supervisor.dependents(action.server), self._supervisor.blocked(action.server)
            text = foretell(action.verb, action.server, settings, kept.life, pid, held, blocked)
            return self._outcome(action, ok=True, text=f"{action.server}: {text}")
        self._acting.person_has_acted(action.server)
        now = milliseconds(self._clock.wall())
        until = now + round(action.seconds * 1000) if action.seconds else 0
        saying = Saying(action.by, action.reason, now, until)
        match action.verb:
            case "pause":
                fault = self._upkeep.pause(action.server, saying)
                lasts = f"until {clock_time(until)}" if until else "until somebody resumes it"
                if fault:
                    return self._outcome(
                        action,
                        ok=False,
                        text=f"{action.server} is paused, but only while this agent runs: the disk says {fault}",
                    )
                return self._outcome(action, ok=True, text=f"{action.server} is paused {lasts}")
            case "resume":
                was = self._upkeep.resume(action.server, action.by)
                return self._outcome(
                    action, ok=True, text=f"{action.server} {'is looked after again' if was else 'was not paused'}"
                )
            case "expect":
                self._upkeep.expect(action.server, saying)
                return self._outcome(action, ok=True, text=f"{action.server} is not taken for hung until {clock_time(until)}")
            case "drill":
                return await self._drill(action, kept.process.pid if kept.process else 0)
            case _:
                return await self._supervisor.order(action)

    async def _drill(self, action: Action, pid: int) -> Outcome:
        """Hold it for so long, or let it go."""
        name = action.server
        if not action.seconds:
            was = await self._holding.let_go(name)
            return self._outcome(action, ok=True, text=f"{name} {'goes on' if was else 'was not held'}")
        if not pid:
            return self._outcome(action, ok=False, text=f"{name} has no process that could be held")
        try:
            await self._holding.hold(name, pid, action.seconds)
        except Failed as fault:
            return self._outcome(action, ok=False, text=fault.why)
        held = Duration(min(action.seconds, LONGEST_HELD))
        return self._outcome(action, ok=True, text=f"{name}'s process {pid} is held by SIGSTOP, for {held} at most")

    def _outcome(self, action: Action, *, ok: bool, text: str) -> Outcome:
        return Outcome(action.id, milliseconds(self._clock.wall()), ok, text)


def _wrong(action: Action, settings: AnyServer) -> str:
    """What is wrong with an order in itself; empty when nothing is."""
    if not 0 <= action.seconds <= LONGEST_SECONDS:
        return f"expected a time of at most {Duration(LONGEST_SECONDS)}"
    if len(action.reason) > REASON_CHARS:
        return f"expected a reason of at most {REASON_CHARS} characters"
    if action.verb == "drill" and not settings.drill:
        return f"{action.server} does not consent to drills: its own table must say drill = true"
    if action.verb == "expect" and not action.seconds:
        return "expected for how long the work will take"
    return ""
