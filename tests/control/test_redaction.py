"""Secrets are hidden by the name beside them or by their own shape; what is none stays readable, and nothing takes for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.control.redaction import HIDDEN, redact, redact_command

SECRET = "hunter2-Zm9v"


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2-Zm9v",
        "PASSWORD = 'hunter2-Zm9v'",
        'db_password: "hunter2-Zm9v"',
        '{"api_key": "hunter2-Zm9v", "user": "ann"}',
        "AWS_SECRET_ACCESS_KEY=hunter2-Zm9v",
        "x-api-key: hunter2-Zm9v",
        "GET /login?token=hunter2-Zm9v&user=ann HTTP/1.1",
        "connecting to postgres://ann:hunter2-Zm9v@db.example/shop",
        "https://hunter2-Zm9v@git.example/repo.git",
        "Authorization: Basic hunter2-Zm9v",
        "authorization: ApiKey hunter2-Zm9v",
        "headers={'Authorization': 'Bearer hunter2-Zm9v'}",
        "Bearer hunter2-Zm9v",
        "Set-Cookie: session=hunter2-Zm9v; Path=/",
        "passphrase is not told, client_secret=hunter2-Zm9v",
        "--password hunter2-Zm9v --port 80",
        "--auth-token=hunter2-Zm9v",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2-Zm9v\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2-Zm9v\ncut off",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    """However they are written."""
    told = redact(text)
    assert SECRET not in told
    assert HIDDEN in told


@pytest.mark.parametrize(
    "text",
    [
        "ghp_0123456789abcdefABCDEF0123456789abcd",
        "glpat-0123456789abcdef0123",
        "xoxb-1234567890-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ],
)
def test_what_is_a_secret_by_its_shape_needs_no_name(text: str) -> None:
    """Tokens of well-known services and JSON Web Tokens."""
    assert redact(f"got {text} back") == f"got {HIDDEN} back"


@pytest.mark.parametrize(
    "text",
    [
        "listening on http://127.0.0.1:8000/",
        "monkey=banana keyboard=de passenger=ann",
        "the key to this is patience",
        "mail for ann@example.org",
        "GET /healthz?verbose=1 200",
        "redis-server *:6379",
        "",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    """Evidence that hides everything tells nothing."""
    assert redact(text) == text


def test_a_command_line_hides_what_follows_an_option_that_names_a_secret() -> None:
    """Also a value that looks harmless, and one with blanks; what is an option itself is no value."""
    words = ["psql", "--password", "letme in", "-h", "db", "--api-key=abc", "--token", "--verbose", "", "postgres://u:p@h/x"]
    assert redact_command(words) == (
        f"psql --password {HIDDEN} -h db --api-key={HIDDEN} --token --verbose '' postgres://{HIDDEN}@h/x"
    )


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.sampled_from("pastokenkey=:'\"/@ -_.\nAZ09"), max_size=100), st.text(max_size=20))
def test_any_text_keeps_its_lines_and_hides_what_was_named(before: str, after: str) -> None:
    """Whatever stands around it."""
    told = redact(f"{before}\npassword={SECRET}\n{after}")
    assert SECRET not in told


@pytest.mark.parametrize(
    "piece", ["password", "a-", "://", "key=", "-----BEGIN PRIVATE KEY-----", "'", "eyJ", "x" * 50, "basic "]
)
def test_no_text_takes_for_ever(piece: str) -> None:
    """Many characters that nearly match: at the square of their number the suite's own time-out would come first."""
    text = piece * (400_000 // len(piece))
    assert redact(text).count("\n") == text.count("\n")
