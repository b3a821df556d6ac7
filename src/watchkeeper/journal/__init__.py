"""What happened and what was decided, in SQLite: events, actions, access, audit."""

from __future__ import annotations


class Journal:
    """The door of the journal."""
