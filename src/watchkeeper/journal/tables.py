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
