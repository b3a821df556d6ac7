"""Windows: a service hosted by WinSW, a small well-kept service wrapper (MIT) that reads one XML file.

WinSW-x64.exe is to be put beside the file under the service's name (it is not part of this package); it starts the
program, restarts it, rotates its output and stops it by Ctrl-C. Source: WinSW's xml-config-file.md, version 2.12.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from watchkeeper.errors import Refused
from watchkeeper.service.steps import STOP_SECONDS, Folder, Installation, Remove, Run, Step, Write

XML = """\
<!-- Made by `watchkeeper service install`. -->
<service>
  <id>{name}</id>
  <name>Watchkeeper</name>
  <description>Watchkeeper ({program}): keeps watch over servers</description>
  <executable>{executable}</executable>
  <arguments>{arguments}</arguments>
  <env name="PYTHONUNBUFFERED" value="1"/>
  <startmode>Automatic</startmode>
  <delayedAutoStart>true</delayedAutoStart>
  <onfailure action="restart" delay="2 sec"/>
  <resetfailure>1 hour</resetfailure>
  <stoptimeout>{stop} sec</stoptimeout>
  <log mode="roll-by-size">
    <sizeThreshold>10240</sizeThreshold>
    <keepFiles>5</keepFiles>
  </log>
</service>
"""


class Windows:
    """See the module."""

    name = "windows"
    tells_up: tuple[int, ...] = (0,)

    def files(self, what: Installation) -> tuple[Write, ...]:
        """WinSW's file."""
        executable, *arguments = what.command
        text = XML.format(
            name=escape(what.name),
            program=what.program,
            executable=escape(executable),
            arguments=escape(subprocess.list2cmdline(arguments)),
            stop=STOP_SECONDS,
        )
        return (Write(self._path(what, "xml"), text),)

    def install(self, what: Installation) -> tuple[Step, ...]:
        """The file, then WinSW installs and starts it; raises Refused for a user's own service."""
        if what.scope == "user":
            raise Refused("Windows keeps no services of a single user: install as administrator", code="no-user-services")
        host = str(self._path(what, "exe"))
        return (
            Folder(what.data, 0o700),
            *self.files(what),
            Run((host, "stopwait"), or_else=True),
            Run((host, "uninstall"), or_else=True),
            Run((host, "install")),
            Run((host, "start")),
        )

    def uninstall(self, what: Installation) -> tuple[Step, ...]:
        """Stop, out of the system's list, and the file goes."""
        host = str(self._path(what, "exe"))
        return (Run((host, "stopwait"), or_else=True), Run((host, "uninstall"), or_else=True), Remove(self._path(what, "xml")))

    def restart(self, what: Installation) -> tuple[Step, ...]:
        """The service alone."""
        return (Run((str(self._path(what, "exe")), "restart")),)

    def status(self, what: Installation) -> tuple[str, ...]:
        """Sc query: 0 it is known."""
        return ("sc", "query", what.name)

    @staticmethod
    def _path(what: Installation, ending: str) -> Path:
        return what.data / "service" / f"{what.name}.{ending}"
