"""The journal's tables as they are now, and how a file is brought to them.

What queries use stands here (`MetaData`), what was run on disk in `migrations`; a test holds the two equal. All times are
milliseconds since the epoch; secrets are kept as SHA-256 digests alone, passwords as argon2id hashes. The key of
a person's one-time codes (`totp`) is the one secret that must be kept as it is, since codes are reckoned from it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
    text,
)

from watchkeeper.errors import ConfigError
from watchkeeper.journal.migrations import MIGRATIONS

metadata = MetaData()

version = Table("journal_version", metadata, Column("version", Integer, primary_key=True))

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("events_by_time", "at", "id"),
    Index("events_by_server", "machine", "server", "at", "id"),
)

actions = Table(
    "actions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("machine", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Index("actions_by_time", "at", "id"),
    Index("actions_by_state", "state"),
)

people = Table(
    "people",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("entered_at", BigInteger, nullable=False),
    Column("password", Text, nullable=False),
    Column("totp", Text, nullable=False),
    Column("totp_step", BigInteger, nullable=False),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Index("passkeys_by_person", "person"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("browser", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Index("tokens_by_name", "name", unique=True),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("audit_by_time", "at", "id"),
)

machines = Table(
    "machines",
    metadata,
    Column("name", Text, primary_key=True),
    Column("machine", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("period", Float, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("bulletin_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("unsure", Boolean, nullable=False),
    Column("bulletin", Text, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Index("notifications_by_channel", "channel", "state", "at", "id"),
    Index("notifications_by_incident", "incident", "at", "id"),
    Index("notifications_by_time", "at", "id"),
    Index("notifications_after", "after"),
    Index("notifications_by_bulletin", "bulletin_id", "channel"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("failed", Boolean, nullable=False),
    Column("exit_status", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("lasted", BigInteger, nullable=False),
    Column("pings", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Index("heartbeats_by_id", "id", unique=True),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("active_at", BigInteger, nullable=False),
    Column("fired_at", BigInteger, nullable=False),
    Column("held_at", BigInteger, nullable=False),
    Column("over_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("suppressed", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Index("alerts_by_state", "state"),
    Index("alerts_by_time", "active_at", "id"),
    Index("alerts_by_incident", "incident"),
)

alert_changes = Table(
    "alert_changes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("alert", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", Float, nullable=False),
    Index("alert_changes_by_alert", "alert", "id"),
    Index("alert_changes_by_time", "at"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("alerts", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("acknowledged_by", Text, nullable=False),
    Column("acknowledged_at", BigInteger, nullable=False),
    Column("assigned_to", Text, nullable=False),
    Column("resolved_at", BigInteger, nullable=False),
    Column("drill", Boolean, nullable=False),
    Index("incidents_by_state", "state"),
    Index("incidents_by_time", "opened_at", "id"),
)

comments = Table(
    "comments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("comments_by_incident", "incident", "id"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("matchers", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("silences_by_end", "ends_at"),
)

tellings = Table(
    "tellings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

drills = Table(
    "drills",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("drill", Text, nullable=False),
    Index("drills_by_time", "at", "id"),
    Index("drills_by_state", "state"),
)


def migrate(connection: Connection) -> None:
    """Bring an open transaction's database to the newest version; raises ConfigError when it is newer than we are."""
    if not inspect(connection).has_table("journal_version"):
        connection.execute(text("CREATE TABLE journal_version (version INTEGER NOT NULL PRIMARY KEY)"))
        connection.execute(version.insert().values(version=0))
    found = connection.execute(select(version.c.version)).scalar_one()
    if found > len(MIGRATIONS):
        raise ConfigError(
            f"the journal is of version {found}, written by a newer Watchkeeper; this one knows up to {len(MIGRATIONS)}:"
            " install the newer one again, or use another data folder"
        )
    for number in range(found, len(MIGRATIONS)):
        for statement in MIGRATIONS[number].split(";"):
            connection.execute(text(statement))
        connection.execute(version.update().values(version=number + 1))
