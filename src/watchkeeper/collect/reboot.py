"""Whether the system asks for a reboot, where it leaves that behind in a file (Debian, Ubuntu)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from watchkeeper.config import Duration, Timed
from watchkeeper.model import Family, Series

_FAMILY = Family("node_reboot_required", "gauge", "Node reboot is required for software updates.")
_MARK, _SYSTEM = "run/reboot-required", "etc/debian_version"


class Reboot(Timed, frozen=True, kw_only=True):
    """``[collect.reboot]``: whether an update waits for a reboot; every minute unless `period` says otherwise."""

    enabled: bool = True
    period: Duration | None = Duration(60)

    def families(self) -> tuple[Family, ...]:
        """See `seams.Collector`."""
        return (_FAMILY,)

    def open(self, root: Path) -> RebootReader:
        """See `seams.Collector`."""
        return RebootReader(root)


class RebootReader:
    """Looks for the file; on systems that never leave one, absence would say nothing."""

    def __init__(self, root: Path) -> None:
        """Look which system it is."""
        self._mark = root / _MARK
        tells = (root / _SYSTEM).exists() or self._mark.exists()
        self.series: tuple[Series, ...] = (Series(_FAMILY.name),) if tells else ()

    def read(self) -> Sequence[float]:
        """See `seams.Reader`."""
        return [float(self._mark.exists())] * len(self.series)

    def close(self) -> None:
        """See `seams.Reader`."""
