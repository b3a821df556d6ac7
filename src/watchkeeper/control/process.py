"""The driver `process`: a program without a shell, in a session and group of its own, its output in a file it holds.

What is to be started is put together here from a server's settings; who forks it and waits for it is a `Parent`: the keeper
where there is one (Linux), else the agent itself. Nothing here decides when to start or stop.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.clock import Clock
from watchkeeper.control import ServerSettings, envfile
from watchkeeper.control.options import written
from watchkeeper.control.parentage import Parent, Spawn, Told
from watchkeeper.control.runfile import RunFile
from watchkeeper.control.settings import AnyServer
from watchkeeper.errors import Failed


def parent(runfile: RunFile, clock: Clock, told: Told) -> Parent:
    """Who forks servers on this system."""
    if sys.platform != "linux":
        from watchkeeper.control.byourselves import Ourselves  # noqa: PLC0415  # one of the two

        return Ourselves(runfile, clock)
    from watchkeeper.control.bykeeper import ByKeeper  # noqa: PLC0415  # as above

    return ByKeeper(runfile, told)


def prepare(server: str, order: str, settings: AnyServer, log: Path, extra: Mapping[str, str] | None = None) -> Spawn:
    """What is to be started, its environment files read now; raises Failed for one that cannot be.

    Later ones win: the agent's own environment, the files in their order, the table `environment`, then `extra` (ours).
    """
    if not isinstance(settings, ServerSettings):  # whoever runs it knows how
        return Spawn(server, order, (), {}, log.absolute(), Path("/"), made(settings))
    if any("\0" in word for word in settings.command):
        raise Failed(f"the program {settings.command[0]!r} cannot be started: a zero byte cannot be passed to it", retry=False)
    folder = settings.folder or _here()
    own: dict[str, str] = {}
    for name in settings.environment_files:
        own |= read_variables(name, folder)
    own |= settings.environment
    return Spawn(
        server=server,
        order=order,
        command=settings.command,
        environment={**os.environ, **own, **(extra or {})},
        log=log.absolute(),
        folder=folder,
        made=made(settings),
        own=tuple(own),
        options=written(settings),
    )


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as fault:
        raise Failed(f"it has no folder of its own, and the agent's is gone: {fault.strerror}") from None


def made(settings: AnyServer) -> str:
    """What stands for all that a process is started with: another one says that only a restart makes the settings true."""
    return hashlib.blake2b(repr(settings.process).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def read_variables(name: str, folder: Path) -> dict[str, str]:
    """The variables of one environment file; none if its name begins with a dash and it is not there."""
    path = folder / name.removeprefix("-")
    try:
        with path.open("rb") as file:
            content = file.read(envfile.MOST_BYTES + 1)
    except OSError as fault:
        if name.startswith("-") and isinstance(fault, FileNotFoundError):
            return {}
        raise Failed(f"its environment file {path} cannot be read: {fault.strerror}") from None
    if len(content) > envfile.MOST_BYTES:
        raise Failed(f"its environment file {path} is larger than {envfile.MOST_BYTES >> 20} MiB", retry=False)
    return envfile.parse(content.decode("utf-8", "surrogateescape"), str(path))
