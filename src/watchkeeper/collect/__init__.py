"""What a machine and its processes are doing: the door of the collectors, one leaf a file, one line here for each.

A leaf says which figures it gives and opens a reader that keeps its files open; `rounds` is the frame
that reads all of one period at one instant and makes one frame of it. Linux is read from /proc and
/sys; other systems through `portable`, under the same names and units. What is read of processes and
of servers' own pages (`process`, `scraping`) is not set here but with the servers.
"""

import msgspec

from watchkeeper.collect.cpu import Cpu
from watchkeeper.collect.disk import Disk
from watchkeeper.collect.filesystem import Filesystem
from watchkeeper.collect.load import Load
from watchkeeper.collect.memory import Memory
from watchkeeper.collect.netstat import Netstat
from watchkeeper.collect.network import Network
from watchkeeper.collect.pressure import Pressure
from watchkeeper.collect.sockstat import Sockstat
from watchkeeper.collect.vmstat import Vmstat
from watchkeeper.config import Part

__all__ = ["CollectSettings", "leaves"]

Leaf = Cpu | Disk | Filesystem | Load | Memory | Netstat | Network | Pressure | Sockstat | Vmstat


class CollectSettings(Part, frozen=True, kw_only=True):
    """``[collect.NAME]``: a table for each collector; each has its own `period` (else the agent's) and may be switched off."""

    cpu: Cpu = Cpu()
    memory: Memory = Memory()
    pressure: Pressure = Pressure()
    vmstat: Vmstat = Vmstat()
    load: Load = Load()
    filesystem: Filesystem = Filesystem()
    disk: Disk = Disk()
    network: Network = Network()
    netstat: Netstat = Netstat()
    sockstat: Sockstat = Sockstat()


def leaves(settings: CollectSettings) -> dict[str, Leaf]:
    """Each collector that is switched on, by name."""
    found = {field.name: getattr(settings, field.name) for field in msgspec.structs.fields(CollectSettings)}
    return {name: leaf for name, leaf in found.items() if leaf.enabled}
