"""The journal's tables as they are now, and the migrations that lead there.

One file tells the whole schema: what queries use (`MetaData`) and what was run on disk (`MIGRATIONS`,
portable SQL, never edited once released, only added to); a test holds the two equal. All times are
milliseconds since the epoch; secrets are kept as SHA-256 digests alone.
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
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
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

MIGRATIONS = (
    """
    CREATE TABLE events (
        id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
        machine TEXT NOT NULL, server TEXT NOT NULL, text TEXT NOT NULL, facts TEXT NOT NULL);
    CREATE INDEX events_by_time ON events (at, id);
    CREATE INDEX events_by_server ON events (machine, server, at, id);
    CREATE TABLE actions (
        id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, machine TEXT NOT NULL, server TEXT NOT NULL,
        verb TEXT NOT NULL, "by" TEXT NOT NULL, state TEXT NOT NULL, sent_at BIGINT NOT NULL,
        ended_at BIGINT NOT NULL, ok BOOLEAN NOT NULL, text TEXT NOT NULL);
    CREATE INDEX actions_by_time ON actions (at, id);
    CREATE INDEX actions_by_state ON actions (state);
    CREATE TABLE people (
        name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, created_at BIGINT NOT NULL, entered_at BIGINT NOT NULL);
    CREATE TABLE sessions (
        digest TEXT NOT NULL PRIMARY KEY, person TEXT NOT NULL, created_at BIGINT NOT NULL,
        seen_at BIGINT NOT NULL, expires_at BIGINT NOT NULL);
    CREATE TABLE tokens (
        digest TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, created_at BIGINT NOT NULL);
    CREATE UNIQUE INDEX tokens_by_name ON tokens (name);
    CREATE TABLE sign_in_links (
        digest TEXT NOT NULL PRIMARY KEY, person TEXT NOT NULL, created_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL, used_at BIGINT NOT NULL);
    CREATE TABLE audit (
        id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, "by" TEXT NOT NULL, peer TEXT NOT NULL,
        what TEXT NOT NULL, about TEXT NOT NULL);
    CREATE INDEX audit_by_time ON audit (at, id)
    """,
    """
    CREATE TABLE machines (
        name TEXT NOT NULL PRIMARY KEY, machine TEXT NOT NULL, seen_at BIGINT NOT NULL, period FLOAT NOT NULL)
    """,
    """
    ALTER TABLE actions ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    ALTER TABLE actions ADD COLUMN seconds FLOAT NOT NULL DEFAULT 0;
    ALTER TABLE actions ADD COLUMN dry_run BOOLEAN NOT NULL DEFAULT FALSE;
    ALTER TABLE audit ADD COLUMN why TEXT NOT NULL DEFAULT '';
    ALTER TABLE audit ADD COLUMN outcome TEXT NOT NULL DEFAULT ''
    """,
    """
    CREATE TABLE notifications (
        id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, channel TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
        incident TEXT NOT NULL, thread TEXT NOT NULL, bulletin_id TEXT NOT NULL, state TEXT NOT NULL, due_at BIGINT NOT NULL,
        attempts INTEGER NOT NULL, claimed_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, why TEXT NOT NULL,
        receipt TEXT NOT NULL, "after" TEXT NOT NULL, unsure BOOLEAN NOT NULL, bulletin TEXT NOT NULL);
    CREATE INDEX notifications_by_channel ON notifications (channel, state, at, id);
    CREATE INDEX notifications_by_incident ON notifications (incident, at, id);
    CREATE INDEX notifications_by_time ON notifications (at, id);
    CREATE INDEX notifications_after ON notifications ("after");
    CREATE INDEX notifications_by_bulletin ON notifications (bulletin_id, channel);
    CREATE TABLE heartbeats (
        name TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL, expected TEXT NOT NULL, created_at BIGINT NOT NULL,
        last_at BIGINT NOT NULL, failed BOOLEAN NOT NULL, exit_status INTEGER NOT NULL, started_at BIGINT NOT NULL,
        lasted BIGINT NOT NULL, pings BIGINT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
        state_at BIGINT NOT NULL, reason TEXT NOT NULL);
    CREATE UNIQUE INDEX heartbeats_by_id ON heartbeats (id)
    """,
    """
    CREATE TABLE alerts (
        id TEXT NOT NULL PRIMARY KEY, rule TEXT NOT NULL, series TEXT NOT NULL, labels TEXT NOT NULL,
        annotations TEXT NOT NULL, state TEXT NOT NULL, was TEXT NOT NULL, severity TEXT NOT NULL, machine TEXT NOT NULL,
        server TEXT NOT NULL, value FLOAT NOT NULL, active_at BIGINT NOT NULL, fired_at BIGINT NOT NULL,
        held_at BIGINT NOT NULL, over_at BIGINT NOT NULL, resolved_at BIGINT NOT NULL, changed_at BIGINT NOT NULL,
        reason TEXT NOT NULL, suppressed TEXT NOT NULL, incident TEXT NOT NULL);
    CREATE INDEX alerts_by_state ON alerts (state);
    CREATE INDEX alerts_by_time ON alerts (active_at, id);
    CREATE INDEX alerts_by_incident ON alerts (incident);
    CREATE TABLE alert_changes (
        id TEXT NOT NULL PRIMARY KEY, alert TEXT NOT NULL, at BIGINT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        value FLOAT NOT NULL);
    CREATE INDEX alert_changes_by_alert ON alert_changes (alert, id);
    CREATE INDEX alert_changes_by_time ON alert_changes (at);
    CREATE TABLE incidents (
        id TEXT NOT NULL PRIMARY KEY, "key" TEXT NOT NULL, title TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,
        machine TEXT NOT NULL, server TEXT NOT NULL, alerts TEXT NOT NULL, opened_at BIGINT NOT NULL,
        acknowledged_by TEXT NOT NULL, acknowledged_at BIGINT NOT NULL, assigned_to TEXT NOT NULL,
        resolved_at BIGINT NOT NULL, drill BOOLEAN NOT NULL);
    CREATE INDEX incidents_by_state ON incidents (state);
    CREATE INDEX incidents_by_time ON incidents (opened_at, id);
    CREATE TABLE comments (
        id TEXT NOT NULL PRIMARY KEY, incident TEXT NOT NULL, at BIGINT NOT NULL, "by" TEXT NOT NULL, text TEXT NOT NULL);
    CREATE INDEX comments_by_incident ON comments (incident, id);
    CREATE TABLE silences (
        id TEXT NOT NULL PRIMARY KEY, matchers TEXT NOT NULL, starts_at BIGINT NOT NULL, ends_at BIGINT NOT NULL,
        author TEXT NOT NULL, comment TEXT NOT NULL, created_at BIGINT NOT NULL);
    CREATE INDEX silences_by_end ON silences (ends_at);
    CREATE TABLE tellings (
        "key" TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, changed_at BIGINT NOT NULL)
    """,
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
