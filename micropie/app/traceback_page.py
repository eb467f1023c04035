"""This module writes the page that debug mode shows for an exception: its causes and the source lines they passed.

The page is one HTML document without scripts, and everything in it is escaped. It shows where the program was, never
what variables held, because variables hold secrets.
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
"""Frames shown of each exception, counted from the last: enough to recognise an endless recursion."""

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
    """Return the HTML page for `error`, raised during the request `method` `path`: causes first, inner frames last."""
    trace = TracebackException.from_exception(error, limit=-FRAMES)
    heading = escape(_summarize(trace))
    page = _PAGE.substitute(
        title=heading,
        heading=heading,
        request=escape(f"{method} {path}"),
        exceptions="\n".join(_render_exceptions(trace)),
    )
    return page.encode(errors="backslashreplace").decode()  # a lone surrogate must not keep the page from being sent


def _summarize(trace: TracebackException) -> str:
    """Return the exception's type and message, as Python prints them."""
    return "".join(trace.format_exception_only()).strip()


def _render_exceptions(trace: TracebackException) -> Iterator[str]:
    """Yield the HTML of the exceptions that led to this one, of this one, and of the members if it is a group."""
    if trace.__cause__ is not None:
        yield from _render_exceptions(trace.__cause__)
        yield f'<p class="link">{_BECAUSE}</p>'
    elif trace.__context__ is not None and not trace.__suppress_context__:
        yield from _render_exceptions(trace.__context__)
        yield f'<p class="link">{_WHILE}</p>'
    yield f'<h2 class="message">{escape(_summarize(trace))}</h2>'
    yield from map(_render_frame, trace.stack)
    for number, member in enumerate(trace.exceptions or (), 1):
        yield f'<p class="link">Exception {number} of the group:</p>'
        yield from _render_exceptions(member)


def _render_frame(frame: FrameSummary) -> str:
    line = frame.lineno or 0
    place = escape(f"{frame.filename}:{line} in {frame.name}")
    return f"<p><code>{place}</code></p>\n<pre>{_render_source(frame.filename, line)}</pre>"


def _render_source(filename: str, line: int) -> str:
    """Return the lines of `filename` around `line`, with `line` marked; `""` without source."""
    lines = linecache.getlines(filename)
    shown = range(max(line - CONTEXT, 1), min(line + CONTEXT, len(lines)) + 1)
    width = len(str(shown.stop))
    numbered = ((number, f"{number:>{width}}  {escape(lines[number - 1].rstrip())}") for number in shown)
    return "\n".join(f"<mark>{text}</mark>" if number == line else text for number, text in numbered)
