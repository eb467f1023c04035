"""Everything about an app that is wrong or looks unmeant, in one list: `check(app)`.

What the app itself refuses (`SetupError`) is the beginning; the rest are rules, each in the module of what it looks
at: `handlers.py` signatures, `urls.py` the table of URLs, `uses.py` templates and sessions, by the source in `code.py`.
Nothing of the user's is called, except that a class is made an app. A comment silences a rule, see `Written.ignored`.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...app.application import App
from ...errors import SetupProblem, collected_setup_problems
from ...routing.discovery import Tree
from ..url_list import Entry, list_urls
from .findings import RULES, Finding, Level, finding_from_problem
from .handlers import check_handler, list_subjects
from .source import Reader, Written
from .templates import check_session, check_templates, find_session_keys
from .urls import check_urls

__all__ = ["RULES", "Finding", "Level", "check", "collect_setup_problems", "finding_from_problem"]


def check(app: App | type[App], problems: Sequence[SetupProblem] = ()) -> list[Finding]:
    """Everything that is wrong with `app`, or with an app made of the class, by file and line.

    `problems` are those that `collect_setup_problems` has of its making. Raises what a class's own `__init__` raises.
    """
    if isinstance(app, type):
        with collect_setup_problems() as found:
            app = app()
        problems = [*problems, *found]
    reader = Reader()
    kept = [finding for finding, function in _findings(app, reader) if not _is_silenced(finding, function)]
    every = dict.fromkeys((*map(finding_from_problem, problems), *kept))
    return sorted(every, key=lambda one: (one.file is None, one.file or "", one.line or 0, one.code, one.where))


@contextmanager
def collect_setup_problems() -> Generator[list[SetupProblem]]:
    """Let the caller build apps that cannot work, and yield the list that their setup problems are added to.

    Such an app serves those of its handlers that work. Apps that other threads and tasks build still raise SetupError.
    """
    problems: list[SetupProblem] = []
    token = collected_setup_problems.set(problems)
    try:
        yield problems
    finally:
        collected_setup_problems.reset(token)


def _findings(app: App, reader: Reader) -> Iterator[tuple[Finding, Written | None]]:
    """Each finding, and the function in which a comment may silence it."""
    entries = list_urls(app)
    handlers = list_subjects(entries, reader)
    keys = find_session_keys(handlers, reader)
    for subject in handlers:
        urls = check_urls(subject) if subject.is_handler else ()
        for finding in (*check_handler(subject), *urls, *check_session(subject, keys)):
            yield finding, subject.written
    for owner, trail in _owners(app, entries):
        yield from check_templates(owner, trail, reader)


def _owners(app: App, entries: Sequence[Entry]) -> list[tuple[Tree, tuple[Any, ...]]]:
    """The App and every App and Resource that it holds, each with the way to it."""
    trails = {id(app): app._trail}
    for entry in entries:
        for end in range(1, len(entry.trail) + 1):
            trails.setdefault(id(entry.trail[end - 1].owner), entry.trail[:end])
    return [(trail[-1].owner, trail) for trail in trails.values()]


def _is_silenced(finding: Finding, function: Written | None) -> bool:
    return function is not None and finding.code in function.ignored(finding.line or function.line)
