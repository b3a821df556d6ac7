"""What the exit codes mean: the promise that scripts rely on, and nothing else.

`status` follows the Linux Standard Base, where 3 is "not running" and 4 "not known".
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DOWN: Final = 3
UNKNOWN: Final = 4
STRESS_ABORTED: Final = 97
"""An operator or a guard has ended the run: there is a record, and no verdict."""
STRESS_INVALID: Final = 98
"""The generator, not the target, was the limit: neither a pass nor a miss."""
STRESS_MISSED: Final = 99
"""An objective was missed (as other load generators say it)."""
INTERRUPTED: Final = 130
"""128 + SIGINT, what a shell says of a program ended by Ctrl-C."""
BROKEN_PIPE: Final = 141
"""128 + SIGPIPE, what a shell says of a program whose reader went away."""
