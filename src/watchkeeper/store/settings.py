"""What an operator may set about the store."""

from __future__ import annotations

from urllib.parse import urlsplit

from watchkeeper.config import Part
from watchkeeper.quantities import Duration, Secret, Size


class StoreSettings(Part, frozen=True, kw_only=True):
    """``[store]``: how long figures are kept and how much disk they may take.

    `raw`, `first` and `hourly` are the ages at which samples, the first rollup (1 to 30 minutes) and the
    one-hour rollup go; `budget` is the most that all of it may take, `keep_free` what the disk must have left
    (5 % of a small disk): the oldest goes first. `head` is the memory for what is not sealed yet, `cache` that for
    what was read lately, a quarter of it for finding the newest figures at once; `most_samples` is how much one
    question may read.

    With a `url` (``http://…``) figures are kept by the VictoriaMetrics that answers there, with a `token` if it wants one,
    and nothing is kept here: of the other keys only `most_samples` counts then.
    """

    url: str = ""
    token: Secret | None = None
    raw: Duration = Duration(90 * 86400)
    first: Duration = Duration(365 * 86400)
    hourly: Duration = Duration(5 * 365 * 86400)
    budget: Size = Size(4 << 30)
    keep_free: Size = Size(512 << 20)
    head: Size = Size(256 << 20)
    cache: Size = Size(64 << 20)
    most_samples: int = 50_000_000

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if self.url and (urlsplit(self.url).scheme not in {"http", "https"} or not urlsplit(self.url).hostname):
            raise ValueError(f"url: expected an http:// or https:// address, got {self.url!r}")
        if self.raw < 3 * 3600:
            raise ValueError("raw: expected at least 3h")
        if self.budget < 64 << 20:
            raise ValueError("budget: expected at least 64MiB")
        if self.head < 1 << 20:
            raise ValueError("head: expected at least 1MiB")
        if self.most_samples < 100_000:
            raise ValueError("most_samples: expected at least 100000")
