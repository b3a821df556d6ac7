"""``[[remote_write]]``: whom the hub hands its samples on to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from watchkeeper.config import NAME, Part
from watchkeeper.errors import ConfigError
from watchkeeper.quantities import Duration, Secret, Size

_HEADER = re.compile(r"[A-Za-z0-9-]+")
_OURS = {"content-type", "content-encoding", "content-length", "host", "connection", "x-prometheus-remote-write-version"}


class Target(Part, frozen=True, kw_only=True):
    """``[[remote_write]]``: a store that gets all samples, too, by remote write: VictoriaMetrics, Mimir, Prometheus.

    `url` is its whole address (``http://127.0.0.1:8428/api/v1/write``). It is sent `token` as bearer and `headers` (plain
    text or a secret); `labels` are added to each series that does not have them. What it has not taken waits in the store's
    log, at most `behind` bytes of it: then the oldest goes and is counted. `name` stands in figures and names the file that
    knows how far it has come; left out, it is made from the address.
    """

    url: str
    name: str = ""
    token: Secret | None = None
    headers: dict[str, str | Secret] = {}
    labels: dict[str, str] = {}
    timeout: Duration = Duration(30)
    behind: Size = Size(512 << 20)

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if urlsplit(self.url).scheme not in {"http", "https"} or not urlsplit(self.url).hostname:
            raise ValueError(f"url: expected an http:// or https:// address, got {self.url!r}")
        if urlsplit(self.url).username is not None:
            raise ValueError("url: a password does not belong into an address; use token or headers")
        if self.name and not NAME.fullmatch(self.name):
            raise ValueError("name: a name has 1 to 63 letters, digits, dots, dashes or underscores")
        for header in self.headers:
            if not _HEADER.fullmatch(header) or header.lower() in _OURS:
                raise ValueError(f"headers: {header!r} cannot be set")
        if self.behind < 16 << 20:
            raise ValueError("behind: expected at least 16MiB")
        if not 1 <= self.timeout <= 600:
            raise ValueError("timeout: expected 1s to 10m")

    @property
    def called(self) -> str:
        """Its name, its own or made from the address."""
        parts = urlsplit(self.url)
        return (
            self.name
            or re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.hostname}-{parts.port or parts.scheme}{parts.path}").strip("-")[:63]
        )

    def revealed(self) -> dict[str, str]:
        """The headers with their secrets; raises ConfigError where one is not there."""
        found = {name: text if isinstance(text, str) else text.reveal() for name, text in self.headers.items()}
        found |= {"Authorization": f"Bearer {self.token.reveal()}"} if self.token else {}
        for name, text in found.items():
            if not (text.isascii() and text.isprintable()):  # told here, without its text: who sends it would quote it
                raise ConfigError(f"the header {name} has characters that no header can have", where="remote_write")
        return found
