"""The page of figures: what a supervisor asks for to see every way in which a relay may fail.

Each defect has a signal here: sockets without sessions, silent drops, a mailbox that fills, an event loop that is late, clients
that do not read. `server` answers with `page`; docs/cloud-protocol.md lists the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudnet import __version__
from cloudnet.figures import EXPOSITION, Page, process
from cloudnet.session import State

if TYPE_CHECKING:
    from cloudnet.network import Network
    from cloudnet.server import Server

__all__ = ["EXPOSITION", "page"]


def page(server: Server) -> str:
    """All figures of a server, in OpenMetrics' text format."""
    figures, mailbox, attendance = server.figures, server.mailbox, server.attendance
    out = Page()
    out.add("cloud_build_info", "gauge", "Version of the server.", [((("version", __version__),), 1)])
    ready = sum(session.state is State.READY for session in attendance.sessions.values())
    out.one("cloud_connections", "gauge", "Open connections, logged in or not.", server.admission.total)
    out.one("cloud_greetings", "gauge", "Connections that have not logged in yet.", len(server.greetings))
    out.add(
        "cloud_sessions",
        "gauge",
        "Sessions, by state: ready or away.",
        [((("state", State.READY),), ready), ((("state", State.AWAY),), len(attendance.sessions) - ready)],
    )
    out.one("cloud_accepts", "counter", "Connections accepted.", figures.accepts)
    out.counts("cloud_turned_away", "reason", "Connections refused before their handshake.", figures.turned_away)
    out.counts("cloud_logins", "outcome", "Logins, by how they ended.", figures.logins)
    out.counts("cloud_closes", "reason", "Connections that the server has ended.", figures.closes)
    out.counts("cloud_refusals", "reason", "Packets and questions turned down.", figures.refusals)
    out.one("cloud_messages_received", "counter", "Messages that clients have sent.", figures.received)
    out.one("cloud_messages_received_bytes", "counter", "Bytes of their bodies.", figures.received_bytes)
    out.one("cloud_messages_accepted", "counter", "Of these, told their sender as safe.", figures.accepted)
    out.one(
        "cloud_messages_rejected", "counter", "Of these, given back with a reason; the rest is under way.", figures.rejected
    )
    out.one("cloud_messages_forwarded", "counter", "Messages sent on to a recipient who was there.", figures.forwarded)
    out.one("cloud_messages_kept", "counter", "Messages put into the mailbox.", mailbox.tally.put)
    out.one("cloud_messages_replayed", "counter", "Messages sent on from the mailbox.", figures.replayed)
    out.one("cloud_messages_taken", "counter", "Messages taken by their recipient's application.", figures.taken)
    out.counts("cloud_drops", "reason", "Messages that were not delivered.", figures.drops)
    out.counts("cloud_packets", "packet", "Other packets of clients.", figures.packets)
    out.counts("cloud_pauses", "reason", "Times that a client was not read for a while.", figures.paused)
    flights = sum(len(session.flights) for session in attendance.flying)
    out.one("cloud_messages_under_way", "gauge", "Messages sent on and not taken yet.", flights)
    out.one("cloud_oldest_under_way_seconds", "gauge", "Age of the oldest of them.", figures.oldest_under_way)
    out.one("cloud_clients_clogged", "gauge", "Clients that do not take what is written to them.", len(server.relay.clogs))
    out.histogram("cloud_delay_seconds", "From a message's arrival to its recipient's taking it.", figures.delay)
    out.one("cloud_mailbox_messages", "gauge", "Messages in the mailbox.", mailbox.total_messages)
    out.one("cloud_mailbox_bytes", "gauge", "Bytes that they take: their bodies, and 350 for each.", mailbox.used())
    out.one("cloud_mailbox_limit_bytes", "gauge", "Bytes that the mailbox may hold.", server.settings.mailbox_total)
    out.one("cloud_mailbox_commits", "counter", "Commits of the mailbox.", mailbox.tally.commits)
    out.one("cloud_mailbox_commit_seconds", "counter", "Time spent in them.", mailbox.tally.commit_seconds)
    out.one("cloud_mailbox_failures", "counter", "Messages that the disk did not take.", mailbox.tally.failed)
    out.one("cloud_mailbox_up", "gauge", "Whether the mailbox can be written.", 0 if mailbox.trouble else 1)
    out.one("cloud_profiles", "gauge", "Profiles in the directory.", len(server.directory))
    out.one("cloud_known_devices", "gauge", "Devices that messages are kept for.", len(attendance.known))
    if server.network is not None:
        _network(out, server.network)
    out.histogram("cloud_loop_lag_seconds", "How late the event loop is.", figures.lag)
    out.one("cloud_loop_lag_newest_seconds", "gauge", "The worst of the last second.", figures.newest_lag)
    out.one("cloud_ready", "gauge", "Whether new clients are welcome.", 0 if server.unready() else 1)
    process(out, figures.started_at)
    return out.text()


def _network(out: Page, network: Network) -> None:
    """What goes between this node and the others."""
    out.one("cloud_backbone_up", "gauge", "Whether the other nodes can be reached.", 0 if network.backbone.trouble() else 1)
    out.one("cloud_peers", "gauge", "Other nodes that live.", len(network.places.peers))
    out.one("cloud_places", "gauge", "Devices whose place in the network is known.", len(network.places.devices))
    out.counts("cloud_carried", "way", "Messages between nodes: out, in, on, anew, returned, brought.", network.figures)
    out.one("cloud_carried_under_way", "gauge", "Messages that other nodes have not settled yet.", len(network.carriage))
