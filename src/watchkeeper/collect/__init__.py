"""What a machine and its processes are doing: the door of the collectors, one leaf a file, one line here for each.

A leaf says which figures it gives and opens a reader that keeps its files open; `rounds` is the frame
that reads all of one period at one instant and makes one frame of it. Linux is read from /proc and
/sys; other systems through `portable`, under the same names and units. What is read of processes and
of servers' own pages (`process`, `scraping`) is not set here but with the servers.
"""

import sys

import msgspec

from watchkeeper.collect import task
from watchkeeper.collect.conntrack import Conntrack
from watchkeeper.collect.cpu import Cpu
from watchkeeper.collect.disk import Disk
from watchkeeper.collect.filesystem import Filesystem
from watchkeeper.collect.hwmon import Hwmon
from watchkeeper.collect.load import Load
from watchkeeper.collect.mdadm import Mdadm
from watchkeeper.collect.memory import Memory
from watchkeeper.collect.netstat import Netstat
from watchkeeper.collect.network import Network
from watchkeeper.collect.pressure import Pressure
from watchkeeper.collect.process import Tasks
from watchkeeper.collect.processes import Processes
from watchkeeper.collect.programs import Programs
from watchkeeper.collect.reboot import Reboot
from watchkeeper.collect.sockstat import Sockstat
from watchkeeper.collect.timex import Timex
from watchkeeper.collect.vmstat import Vmstat
from watchkeeper.config import Part
from watchkeeper.seams import Collector

__all__ = ["CollectSettings", "leaves", "periods", "tasks"]

_LINUX = sys.platform == "linux"

Leaf = (
    Conntrack
    | Cpu
    | Disk
    | Filesystem
    | Hwmon
    | Load
    | Mdadm
    | Memory
    | Netstat
    | Network
    | Pressure
    | Processes
    | Programs
    | Reboot
    | Sockstat
    | Timex
    | Vmstat
)


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
    conntrack: Conntrack = Conntrack()
    processes: Processes = Processes()
    programs: Programs = Programs()
    timex: Timex = Timex()
    hwmon: Hwmon = Hwmon()
    mdadm: Mdadm = Mdadm()
    reboot: Reboot = Reboot()


def leaves(settings: CollectSettings) -> dict[str, Collector]:
    """Each collector that is switched on and that this system has, by name."""
    wanted = {name: leaf for name, leaf in _named(settings).items() if leaf.enabled}
    if _LINUX:
        return dict(wanted)
    from watchkeeper.collect.portable import portable  # noqa: PLC0415  # psutil is not installed on Linux

    return portable(wanted)


def periods(settings: CollectSettings) -> dict[str, float]:
    """In seconds, of those that have a period of their own."""
    return {name: float(leaf.period) for name, leaf in _named(settings).items() if leaf.period}


def tasks() -> Tasks:
    """Where this system's processes are looked up."""
    if _LINUX:
        return task.Tasks()
    from watchkeeper.collect.portable_task import PortableTasks  # noqa: PLC0415  # psutil is not installed on Linux

    return PortableTasks()


def _named(settings: CollectSettings) -> dict[str, Leaf]:
    return {field.name: getattr(settings, field.name) for field in msgspec.structs.fields(CollectSettings)}
