"""Is this installation sound? The door of the examinations that `watchkeeper doctor` makes.

An examination looks at one thing (`folder`, `machine`, `boot`, `hub`, `fleet`, `telling`) and gives findings; it changes
nothing, asks the hub over its API alone, and says what to do about what it finds. One more is one file and one line below.
`redact` takes out what a stranger who helps need not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from watchkeeper.doctor import boot, fleet, folder, hub, machine, telling
from watchkeeper.doctor.finding import Finding, Patient
from watchkeeper.errors import Failed, Refused

__all__ = ["EXAMINATIONS", "examine"]

EXAMINATIONS: tuple[Callable[[Patient], Iterable[Finding]], ...] = (
    folder.examine,
    machine.examine,
    boot.examine,
    hub.examine,
    fleet.examine,
    telling.examine,
)


def examine(patient: Patient) -> Iterator[Finding]:
    """Every examination in turn; one that cannot be made is a finding itself, and stops no other."""
    for examination in EXAMINATIONS:
        try:
            yield from examination(patient)
        except (Failed, Refused) as fault:
            yield Finding(examination.__module__.rpartition(".")[2], "fail", fault.why)
        except OSError as fault:
            yield Finding(examination.__module__.rpartition(".")[2], "fail", f"{fault.filename or 'it'}: {fault.strerror}")
