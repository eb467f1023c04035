"""The page that a failing handler shows in debug mode: one exception, its causes, and the source lines they passed.

One self-contained HTML document without scripts. Everything in it is escaped. It shows where the program was and never
what its variables held: those are the user's secrets. It knows nothing of how a page is sent.
"""

import linecache
from collections.abc import Iterator
from html import escape
from string import Template
from traceback import FrameSummary, TracebackException
from typing import Final

CONTEXT: Final = 5
"""Source lines shown before and after the one that was running."""
FRAMES: Final = 50
"""Frames shown of each exception, the last ones: of an endless recursion nobody needs more."""

_BECAUSE: Final = "The exception above was the direct cause of this one:"
_WHILE: Final = "While the exception above was handled, this one occurred:"

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #222; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; color: #a40000; }
pre, code { font: 13px/1.5 ui-monospace, monospace; }
pre { margin: .25rem 0 1rem; padding: .5rem .75rem; background: #f6f6f6; overflow-x: auto; }
mark { background: #ffe0e0; color: inherit; font-weight: bold; }
.message { white-space: pre-wrap; overflow-wrap: anywhere; } .link { margin: 2rem 0 0; font-style: italic; }
@media (prefers-color-scheme: dark) {
  body { background: #1b1b1b; color: #ddd; } h2 { color: #ff8080; }
  pre { background: #262626; } mark { background: #5a2020; }
}
</style>
</head>
<body>
<h1>$heading</h1>
<p>500 Internal Server Error at <code>$request</code></p>
$exceptions
</body>
</html>
""")


def render_traceback_page(error: BaseException, method: str, path: str) -> str:
    """`error`, raised while answering `method` and `path`, as an HTML page: causes first, inner frames last."""
    found = TracebackException.from_exception(error, limit=-FRAMES)
    heading = escape(_summary(found))
    page = _PAGE.substitute(
        title=heading,
        heading=heading,
        request=escape(f"{method} {path}"),
        exceptions="\n".join(_exceptions(found)),
    )
    return page.encode(errors="backslashreplace").decode()  # a lone surrogate must not keep the page from being sent


def _summary(found: TracebackException) -> str:
    """The exception's type and message, as Python prints them."""
    return "".join(found.format_exception_only()).strip()


def _exceptions(found: TracebackException) -> Iterator[str]:
    """The HTML of an exception, after the ones that led to it; of a group, each of its members too."""
    if found.__cause__ is not None:
        yield from _exceptions(found.__cause__)
        yield f'<p class="link">{_BECAUSE}</p>'
    elif found.__context__ is not None and not found.__suppress_context__:
        yield from _exceptions(found.__context__)
        yield f'<p class="link">{_WHILE}</p>'
    yield f'<h2 class="message">{escape(_summary(found))}</h2>'
    yield from map(_frame, found.stack)
    for number, member in enumerate(found.exceptions or (), 1):
        yield f'<p class="link">Exception {number} of the group:</p>'
        yield from _exceptions(member)


def _frame(frame: FrameSummary) -> str:
    line = frame.lineno or 0
    place = escape(f"{frame.filename}:{line} in {frame.name}")
    return f"<p><code>{place}</code></p>\n<pre>{_source(frame.filename, line)}</pre>"


def _source(filename: str, line: int) -> str:
    """The lines of `filename` around `line`, that one marked; empty when there is no source."""
    lines = linecache.getlines(filename)
    shown = range(max(line - CONTEXT, 1), min(line + CONTEXT, len(lines)) + 1)
    width = len(str(shown.stop))
    numbered = ((number, f"{number:>{width}}  {escape(lines[number - 1].rstrip())}") for number in shown)
    return "\n".join(f"<mark>{text}</mark>" if number == line else text for number, text in numbered)
