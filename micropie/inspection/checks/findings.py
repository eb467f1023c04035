"""What a finding is, and the table of rules: a stable code for each, and how much it matters."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ...errors import SetupProblem

Level: TypeAlias = Literal["error", "warning"]

RULES: Final[dict[str, tuple[Level, str]]] = {
    "cannot-work": ("error", "A handler that the app refuses to be created with."),
    "default-type": ("error", "A default that is no value of the parameter's type."),
    "missing-template": ("error", "A template that is rendered but cannot be loaded."),
    "session-override": ("error", "A parameter named like a key of the session, which a client can send as well."),
    "shadowed-url": ("error", "A handler that no path leads to, since something else answers first."),
    "accidental-url": ("warning", "A public method that looks like a helper, and is a URL."),
    "shadowed-value": ("warning", "A required path value that something else gets first."),
    "untyped-parameter": ("warning", "A parameter of which nothing says what it becomes."),
    "untyped-return": ("warning", "A return annotation that is missing or says nothing."),
}
"""Level and meaning of each rule by its code. An error will go wrong; a warning was likely meant otherwise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: where it stands, what is wrong, and how to mend it."""

    code: str
    """Which rule: a key of `RULES`."""
    where: str
    """`Class.method`, with the parameter where one is to blame."""
    what: str
    remedy: str
    file: str | None = None
    line: int | None = None

    @property
    def level(self) -> Level:
        """Whether it is an error or a warning."""
        return RULES[self.code][0]


def finding_from_problem(problem: SetupProblem) -> Finding:
    """What the app itself refused. No comment can silence it: without mending it there is no app."""
    return Finding("cannot-work", problem.where, problem.what, problem.remedy, problem.file, problem.line)
