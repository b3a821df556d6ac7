"""The protocols' own counters: /proc/net/snmp, snmp6 and netstat, the fields that node_exporter shows by default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchkeeper.config import Timed
from watchkeeper.errors import Failed
from watchkeeper.kept import KeptFile
from watchkeeper.model import Family, Series

_FIELDS = re.compile(
    r"^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    r"|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)"
    r"|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    r"|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"
)


class Netstat(Timed, frozen=True, kw_only=True):
    """``[collect.netstat]``: connections, segments, retransmissions, errors of TCP, UDP, IP and ICMP."""

    enabled: bool = True

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`; which fields there are is the kernel's to say."""
        try:
            reader = NetstatReader(Path("/"))
        except Failed:
            return ()
        names = [series.name.removeprefix("node_netstat_") for series in reader.series]
        reader.close()
        return tuple(Family(f"node_netstat_{name}", "untyped", f"Statistic {name.replace('_', '')}.") for name in names)

    def open(self, root: Path) -> NetstatReader:
        """See `seams.Collector`."""
        return NetstatReader(root)


class NetstatReader:
    """Reads the three tables, whose fields never change while a kernel runs."""

    def __init__(self, root: Path) -> None:
        """Open them; IPv6 may be off. Find the place of each figure among a table's words."""
        self._tables: list[tuple[KeptFile, list[int]]] = []
        series: list[Series] = []
        for name, layout in (("netstat", _pairs), ("snmp", _pairs), ("snmp6", _lines)):
            try:
                file = KeptFile(root / "proc/net" / name, 8192)
            except Failed:
                if name == "snmp6":
                    continue
                raise
            places = []
            for field, place in layout(file.read()):
                if _FIELDS.match(field):
                    places.append(place)
                    series.append(Series(f"node_netstat_{field}"))
            self._tables.append((file, places))
        self.series = tuple(series)

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        values: list[float] = []
        for file, places in self._tables:
            words = file.read().split()
            values += [float(words[place]) for place in places]
        return values

    def close(self) -> None:
        """See `seams.Reader`."""
        for file, _ in self._tables:
            file.close()


def _pairs(text: bytes) -> Iterator[tuple[str, int]]:
    """``Tcp: InSegs …`` above ``Tcp: 4711 …``: each field and the place of its figure among all words."""
    offset = 0
    lines = [line.split() for line in text.decode("ascii").splitlines()]
    for heads, figures in zip(lines[::2], lines[1::2], strict=True):
        for place in range(1, len(figures)):
            yield f"{heads[0][:-1]}_{heads[place]}", offset + len(heads) + place
        offset += len(heads) + len(figures)


def _lines(text: bytes) -> Iterator[tuple[str, int]]:
    """``Ip6InOctets  4711``, a line each; the protocol ends where the 6 stands."""
    for place, word in enumerate(text.decode("ascii").split()):
        if place % 2 == 0 and (found := re.match(r"((?:Ip|Icmp|Udp|UdpLite)6)(.+)", word)):
            yield f"{found[1]}_{found[2]}", place + 1
