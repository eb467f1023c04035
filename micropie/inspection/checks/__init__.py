"""This package finds mistakes in an app: `check(app)` returns all that is wrong or looks unintended, in one list.

The list begins with the problems for which the app refuses to be created (`SetupError`). The others come from rules:

- `findings`: the table of rules, and the finding as data
- `handlers`: the signatures of handlers and dependencies
- `urls`: handlers that the router does not reach
- `templates`: templates and session keys that the code names
- `source`: the source code of a function, and the comments in it that silence a rule
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from ...app.application import App
from ...errors import SetupProblem, collected_setup_problems
from ...routing.discovery import Tree
from ...routing.table import Trail
from ..url_list import Entry, list_urls
from .findings import RULES, Finding, Level, build_finding
from .handlers import check_handler, list_subjects
from .source import FunctionSource, SourceReader
from .templates import check_session, check_templates, find_session_keys
from .urls import check_urls

__all__ = ["RULES", "Finding", "Level", "build_finding", "check", "collect_setup_problems"]


def check(app: App | type[App], problems: Sequence[SetupProblem] = ()) -> list[Finding]:
    """Return all that is wrong with `app` or looks unintended, sorted by file and line.

    `app` is an instance or a class; of a class an instance is created, which may have setup problems. `problems` are
    those that `collect_setup_problems` collected while the instance was created. The apps and Resources that it holds
    are checked, and the micropie apps mounted in it. No handler or dependency is called. A comment such as
    `# micropie: ignore[untyped-return]` silences a rule in its function; `cannot-work` cannot be silenced.

    Each `Finding` has the attributes `code` (a key of `RULES`), `level` ("error" or "warning"), `where`, `what`,
    `remedy`, `file` and `line`. Raises what the `__init__` of a class raises.
    """
    if isinstance(app, type):
        with collect_setup_problems() as collected:
            app = app()
        problems = [*problems, *collected]
    reader = SourceReader()
    kept = [finding for finding, source in _apply_rules(app, reader) if not _is_silenced(finding, source)]
    unique = dict.fromkeys((*map(build_finding, problems), *kept))
    return sorted(
        unique,
        key=lambda finding: (finding.file is None, finding.file or "", finding.line or 0, finding.code, finding.where),
    )


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


def _apply_rules(app: App, reader: SourceReader) -> Iterator[tuple[Finding, FunctionSource | None]]:
    """Yield each finding, with the source of the function in which a comment may silence it."""
    entries = list_urls(app)
    subjects = list_subjects(entries, reader)
    keys = find_session_keys(subjects, reader)
    for subject in subjects:
        urls = check_urls(subject) if subject.is_handler else ()
        for finding in (*check_handler(subject), *urls, *check_session(subject, keys)):
            yield finding, subject.source
    for owner, trail in _list_owners(app, entries):
        yield from check_templates(owner, trail, reader)


def _list_owners(app: App, entries: Sequence[Entry]) -> list[tuple[Tree, Trail]]:
    """Return the App, and every App and Resource that it holds, each with the trail to it."""
    trails = {id(app): app._trail}
    for entry in entries:
        for end in range(1, len(entry.trail) + 1):
            trails.setdefault(id(entry.trail[end - 1].owner), entry.trail[:end])
    return [(trail[-1].owner, trail) for trail in trails.values()]


def _is_silenced(finding: Finding, source: FunctionSource | None) -> bool:
    return source is not None and finding.code in source.list_ignored(finding.line or source.line)
