"""The steps that lead a journal's file from nothing to the tables of today: portable SQL, in order.

One that was released is never edited; more are added at the end. `tables` runs them, each in the opening transaction.
"""

from __future__ import annotations

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
    """
    CREATE TABLE drills (
        id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, scenario TEXT NOT NULL, "by" TEXT NOT NULL, state TEXT NOT NULL,
        ended_at BIGINT NOT NULL, drill TEXT NOT NULL);
    CREATE INDEX drills_by_time ON drills (at, id);
    CREATE INDEX drills_by_state ON drills (state);
    ALTER TABLE notifications ADD COLUMN sent_at BIGINT NOT NULL DEFAULT 0
    """,
    """
    ALTER TABLE people ADD COLUMN password TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN totp TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
    CREATE TABLE passkeys (
        id TEXT NOT NULL PRIMARY KEY, person TEXT NOT NULL, name TEXT NOT NULL, public_key TEXT NOT NULL,
        sign_count BIGINT NOT NULL, created_at BIGINT NOT NULL, used_at BIGINT NOT NULL);
    CREATE INDEX passkeys_by_person ON passkeys (person);
    ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT 'link';
    ALTER TABLE sessions ADD COLUMN peer TEXT NOT NULL DEFAULT '';
    ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';
    ALTER TABLE tokens ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE tokens ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE tokens ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
    UPDATE tokens SET kind = 'viewer' WHERE kind = 'read'
    """,
)
