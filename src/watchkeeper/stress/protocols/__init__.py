"""What a load can speak: the door of the stress protocols, one leaf a file, one line here for each.

A leaf is its own settings (``[protocol]`` of a plan) and makes lanes: connections that start operations and say what became
of them (`lane.LoadProtocol`). The floor of a worker decides when; a leaf never waits, counts nobody's time but its own and
never retries.
"""

from watchkeeper.stress.protocols.cloud import Cloud
from watchkeeper.stress.protocols.http import Http
from watchkeeper.stress.protocols.own import Own
from watchkeeper.stress.protocols.tcp import Tcp
from watchkeeper.stress.protocols.websocket import WebSocket

Leaf = Http | WebSocket | Cloud | Tcp | Own

__all__ = ["Cloud", "Http", "Leaf", "Own", "Tcp", "WebSocket"]
