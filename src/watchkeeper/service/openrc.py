"""OpenRC (Alpine, Gentoo): a script in /etc/init.d that has supervise-daemon keep the program.

Source: openrc-run(8), supervise-daemon(8). There is no service of a single user.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from watchkeeper.errors import Refused
from watchkeeper.service.steps import STOP_SECONDS, Folder, Installation, Remove, Run, Step, Write

SCRIPT = """\
#!/sbin/openrc-run
# Made by `watchkeeper service install`; settings of your own belong in /etc/conf.d/{name}.

name="watchkeeper"
description="Watchkeeper ({program}): keeps watch over servers"
supervisor=supervise-daemon
command={command}
command_args={arguments}
{user}respawn_delay=2
respawn_max=0
# Only the main process is told; it stops or leaves the servers as it was configured.
retry="TERM/{stop}/KILL/5"
output_log="/var/log/{name}.log"
error_log="/var/log/{name}.log"
umask=0027
extra_started_commands="reload"

depend() {{
\tneed localmount
\tuse net dns logger
\tafter firewall
}}

reload() {{
\tebegin "Reading the configuration of $RC_SVCNAME again"
\tsupervise-daemon "$RC_SVCNAME" --signal HUP
\teend $?
}}
"""


class OpenRc:
    """See the module."""

    name = "openrc"
    tells_up: tuple[int, ...] = (0,)

    def files(self, what: Installation) -> tuple[Write, ...]:
        """The script, executable."""
        command, *arguments = what.command
        # Two shells read this: one when it sources the script, one when openrc-run evaluates `command_args`.
        text = SCRIPT.format(
            name=what.name,
            program=what.program,
            command=shlex.quote(command),
            arguments=shlex.quote(shlex.join(arguments)),
            user=f"command_user={shlex.quote(what.user)}\n" if what.user else "",
            stop=STOP_SECONDS,
        )
        return (Write(self._path(what), text, 0o755),)

    def install(self, what: Installation) -> tuple[Step, ...]:
        """Script, default runlevel, start; raises Refused for a user's own service."""
        if what.scope == "user":
            raise Refused("OpenRC keeps no services of a single user: install as root", code="no-user-services")
        return (
            Folder(what.data, 0o700, what.user),
            *self.files(what),
            Run(("rc-update", "add", what.name, "default")),
            *self.restart(what),
        )

    def uninstall(self, what: Installation) -> tuple[Step, ...]:
        """Stop, out of the runlevels, and the file goes."""
        return (
            Run(("rc-service", what.name, "stop"), or_else=True),
            Run(("rc-update", "--all", "del", what.name), or_else=True),
            Remove(self._path(what)),
        )

    def restart(self, what: Installation) -> tuple[Step, ...]:
        """The service alone; also starts one that does not run."""
        return (Run(("rc-service", what.name, "restart")),)

    def status(self, what: Installation) -> tuple[str, ...]:
        """rc-service status: 0 it runs, 3 stopped, 32 crashed."""
        return ("rc-service", what.name, "status")

    @staticmethod
    def _path(what: Installation) -> Path:
        return Path("/etc/init.d") / what.name
