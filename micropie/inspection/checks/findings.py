"""This module holds the table of rules, with a stable code and a level for each, and the finding as data."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ...errors import SetupProblem

Level: TypeAlias = Literal["error", "warning"]

RULES: Final[dict[str, tuple[Level, str]]] = {
    "cannot-work": ("error", "A handler with which the app cannot be created."),
    "default-type": ("error", "A default that is not a value of the parameter's type."),
    "missing-template": ("error", "A template that is rendered but cannot be loaded."),
    "session-override": ("error", "A parameter with the name of a session key, which a client can send as well."),
    "shadowed-url": ("error", "A handler that no path reaches, since something else answers first."),
    "accidental-url": ("warning", "A public method that looks like a helper and is a URL."),
    "shadowed-value": ("warning", "A required path value that something else takes first."),
    "untyped-parameter": ("warning", "A parameter without a type: it may become text, JSON or a file."),
    "untyped-return": ("warning", "A return annotation that is missing or promises nothing."),
}
"""Level and meaning of each rule by its code. An error fails in use; a warning is probably unintended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake that a check found: its place, what is wrong, and the fix."""

    code: str
    """The rule, a key of `RULES`."""
    where: str
    """`Class.method`, with the parameter in parentheses if the finding is about one."""
    what: str
    remedy: str
    file: str | None = None
    line: int | None = None

    @property
    def level(self) -> Level:
        """The level of the rule: "error" or "warning"."""
        return RULES[self.code][0]


def build_finding(problem: SetupProblem) -> Finding:
    """Return a problem that keeps the app from being created as a finding. No comment can silence it."""
    return Finding("cannot-work", problem.where, problem.what, problem.remedy, problem.file, problem.line)
