"""Orders to servers: each is a row before it is a message, and keeps its outcome.

States: requested -> sent -> done | failed | unknown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from watchkeeper.model import Action, Outcome

ActionState = Literal["requested", "sent", "done", "failed", "unknown"]


class ActionRow(msgspec.Struct, frozen=True):
    """An action as the journal keeps it. `sent_at` is 0 before it was sent."""

    action: Action
    state: ActionState
    sent_at: int = 0
    outcome: Outcome | None = None
