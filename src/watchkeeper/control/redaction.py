"""Secrets out of text that was written by others: command lines and log lines, before they are kept or sent.

Pure. What looks like a secret by the name beside it or by its own shape is replaced by `HIDDEN`; better one word too many
than one too few. The environment of a process is never read at all, since there it is the rule and not the exception.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "[hidden]"

_SENSITIVE = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credential|authori[sz]ation"
    r"|session[_.-]?id|cookie|signature|(?:^|[_.-])(?:auth|pass|sig|key)$",
    re.IGNORECASE,
)
_VALUE = r"(?:\"[^\"\n]*\"?|'[^'\n]*'?|[^\s,;&'\"}\])]+)"
# A word is looked at once and as a whole, and only as far as a name may reach: a text that nearly matches everywhere
# must not cost the square of its length.
_WORD = r"[\w.-]{1,200}"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # A private key in PEM: all of it.
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # Who and how of a URL: https://user:password@host
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://)[^\s/@'\"]{1,500}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # Authorization: Bearer …, Basic …; also with nothing before it
    (re.compile(r"\b(bearer|basic|digest|negotiate)\s{1,5}[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"\b((?:proxy-)?authori[sz]ation|(?:set-)?cookie|x-api-key)([\"']?[ \t]{0,5}[:=][ \t]{0,5}[\"']?)[^\r\n\"']+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # What is a secret by its shape: tokens of well-known services, JSON Web Tokens.
    (
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|sk_live_|rk_live_|AKIA|ASIA|AIza|npm_|hf_)[A-Za-z0-9_-]{10,}"
        ),
        HIDDEN,
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), HIDDEN),
)
_NAMED = (
    # name=value, name: value, "name": "value"
    re.compile(rf"(?<![\w.-])({_WORD})([\"']?[ \t]{{0,5}}[=:][ \t]{{0,5}}){_VALUE}"),
    # --name value
    re.compile(rf"(?<!\S)(--?{_WORD})([ \t]{{1,5}})(?!-){_VALUE}"),
)


def redact(text: str) -> str:
    """The text without what looks like a secret; its lines stay lines."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    for pattern in _NAMED:
        text = pattern.sub(_hide, text)
    return text


def redact_command(words: Sequence[str]) -> str:
    """A command line as one line: what follows an option that names a secret is hidden, whatever it looks like."""
    shown = []
    hide = False
    for word in words:
        shown.append(HIDDEN if hide and not word.startswith("-") else redact(word))
        hide = word.startswith("-") and "=" not in word and bool(_SENSITIVE.search(word.lstrip("-")))
    return " ".join(" ".join(word.split()) if word.strip() else "''" for word in shown)


def _hide(found: re.Match[str]) -> str:
    """A value whose name says that it is a secret; any other stays as it is."""
    return f"{found[1]}{found[2]}{HIDDEN}" if _SENSITIVE.search(found[1].lstrip("-")) else found[0]
