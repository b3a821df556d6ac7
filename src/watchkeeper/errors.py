"""The three faults that are nobody's bug, named after who must act.

Anything else that is raised is our own mistake: it is isolated at a leaf's border and
logged with its traceback, or it ends the program's TaskGroup. This room imports nothing.
"""

from __future__ import annotations


class ConfigError(Exception):
    """The operator must act: the configuration cannot be used as it stands (exit 2).

    Raised only while a configuration is loaded, so a running program keeps its old one.
    `where` names file and line or table (``web.toml:12 server.web.period``); `problem`
    says what is wrong and what was expected.
    """

    def __init__(self, problem: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where


class Refused(Exception):
    """The caller must act: what was asked cannot be done as asked.

    Caught at the edges only: a 4xx of the API, exit 1 of the CLI. `code` is stable and
    short (``unknown-server``), `why` is a sentence for a person.
    """

    def __init__(self, why: str, *, code: str = "refused") -> None:
        super().__init__(why)
        self.why = why
        self.code = code


class Failed(Exception):
    """Time must act: a leaf could not do it now.

    The leaf knows whether again is sane (`retry`); when and how often is the frame's to say.
    """

    def __init__(self, why: str, *, retry: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.retry = retry
