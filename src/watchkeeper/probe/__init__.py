"""Does it answer? The door of the probes: one leaf a file, one line here for each.

A probe asks a server one question from outside; `probing.py` is the frame that asks it again
and again, measures, bounds and counts misses. A leaf never times itself and never retries.
"""

from watchkeeper.probe.cloud import Cloud
from watchkeeper.probe.command import Command
from watchkeeper.probe.http import Http
from watchkeeper.probe.tcp import Tcp

Leaf = Http | Tcp | Command | Cloud

__all__ = ["Cloud", "Command", "Http", "Leaf", "Tcp"]
