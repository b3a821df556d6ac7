"""What may go wrong, by who must act: the operator, the caller, or time."""

from __future__ import annotations


class CloudError(Exception):
    """The root of all; `why` is one sentence for a person."""

    def __init__(self, why: str) -> None:
        """Keep the sentence."""
        super().__init__(why)
        self.why = why


class ConfigError(CloudError):
    """A setting, a file or an address that cannot be used: the operator's to mend."""


class Refused(CloudError):
    """The other side, or a rule, says no: asking again alike is of no use. `code` is stable and documented."""

    def __init__(self, why: str, code: str) -> None:
        """Keep code and sentence."""
        super().__init__(why)
        self.code = code


class Failed(CloudError):
    """It did not work this time: a network, a disk, a deadline."""
