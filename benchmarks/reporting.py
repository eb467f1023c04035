"""A run as text: JSON with every sample, a Markdown table and an SVG chart for each suite."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from .peers import KINDS, TITLES
from .results import Measure, Relative, Report

SUITES: Final = {
    "calls": "In-process calls",
    "servers": "Servers under load",
    "uploads": "Uploads, downloads, WebSockets",
    "growth": "Growth",
}

JSON_NAME: Final = "results.json"
MARKDOWN_NAME: Final = "results.md"


def save(report: Report, folder: Path) -> list[Path]:
    """Write it all into `folder`, which is made; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {JSON_NAME: msgspec.json.format(msgspec.json.encode(report)).decode(), MARKDOWN_NAME: markdown(report)}
    files |= {f"{suite}.svg": chart(report, suite) for suite in _suites(report)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def load(text: str | bytes) -> Report:
    """A report from its JSON. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Report)


def _suites(report: Report) -> list[str]:
    return [suite for suite in SUITES if any(measure.suite == suite for measure in report.measures)]


def _of(report: Report, suite: str) -> list[Measure]:
    return [measure for measure in report.measures if measure.suite == suite]


def _peers(report: Report) -> list[str]:
    """Who took part, in the order of the tables."""
    return [kind.name for kind in KINDS if kind.name in report.peers]


def number(value: float) -> str:
    """`value` with three significant digits, and no exponent."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


# --- Markdown ---


def markdown(report: Report) -> str:
    """The tables."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"{report.started}{', quick run: figures are rough' if report.quick else ''}"
    yield ""
    for name, value in report.machine.items():
        yield f"- {name}: {value}"
    for peer in _peers(report):
        yield f"- {TITLES[peer]}: {report.peers[peer]}"
    for peer, why in report.absent.items():
        yield f"- {TITLES[peer]}: left out: {why}"
    for remark in report.remarks:
        yield f"- {remark}"
    yield ""
    yield "A cell is the best sample, and in parentheses the speed relative to the base, whose own cell has none:"
    yield "the median of the rounds, and their middle half. Above 1 is faster, or smaller, than the base."
    for suite in _suites(report):
        yield ""
        yield f"## {SUITES[suite]}"
        yield ""
        yield f"![{SUITES[suite]}]({suite}.svg)"
        yield ""
        yield from _table(_of(report, suite), _peers(report))
        yield from _missing(_of(report, suite))


def _table(measures: Sequence[Measure], peers: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(["", *(TITLES[peer] for peer in peers)]) + " |"
    yield "| --- |" + " ---: |" * len(peers)
    for measure in measures:
        cells = [f"{measure.title} ({measure.unit})", *(_cell(measure, peer) for peer in peers)]
        yield "| " + " | ".join(cells) + " |"


def _cell(measure: Measure, peer: str) -> str:
    best = measure.best(peer)
    if best is None:
        return "–"
    found = measure.relative(peer)
    if peer == measure.base or found is None:
        return number(best)
    return f"{number(best)} ({_spread(found)})"


def _spread(found: Relative) -> str:
    if found.low == found.high:
        return f"{found.median:.2f}"
    return f"{found.median:.2f}, {found.low:.2f}–{found.high:.2f}"


def _missing(measures: Sequence[Measure]) -> Iterator[str]:
    """Why cells are empty, one line for each peer and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for measure in measures:
        for peer, why in measure.left_out.items():
            reasons.setdefault((peer, why), []).append(measure.title)
    if reasons:
        yield ""
    for (peer, why), titles in reasons.items():
        yield f"- {TITLES[peer]} {why}: {'; '.join(titles)}"


# --- SVG ---

COLOURS: Final = {
    "micropie": "#c2410c",
    "bare": "#6b7280",
    "blacksheep": "#111827",
    "falcon": "#0f766e",
    "starlette": "#7c3aed",
    "litestar": "#b45309",
    "fastapi": "#059669",
    "micropie032": "#f59e0b",
}

_WIDTH: Final = 860
_LEFT: Final = 130
"""Where bars begin: the names of the peers stand before that."""
_RIGHT: Final = 180
"""Kept free for the figures behind the bars."""
_BAR: Final = 14
_GAP: Final = 30
"""The height of a title and the space above it."""
_LONGEST: Final = 2.0
"""The relative speed of the longest bar; what is faster is cut there, and says so by its figure."""


def chart(report: Report, suite: str) -> str:
    """The relative speeds of one suite: a group of bars for each measure, a line on each for its middle half."""
    peers = _peers(report)
    parts: list[str] = []
    y = 40
    for measure in _of(report, suite):
        rows = [(peer, found) for peer in peers if (found := measure.relative(peer)) is not None]
        if not rows:
            continue
        parts.append(f'<text x="{_LEFT}" y="{y + 18}" class="title">{escape(measure.title)}</text>')
        y += _GAP
        for peer, found in rows:
            parts += _bar(measure, peer, found, y)
            y += _BAR
        parts.append(_rule(y - _BAR * len(rows), y))
    return "\n".join([*_head(SUITES[suite], y + 20), *parts, "</svg>"]) + "\n"


def _head(title: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 11px sans-serif; fill: #111827 } .title { font-weight: bold } .name { text-anchor: end }"
        " .spread { stroke: #9ca3af; stroke-width: 2 } .base { stroke: #9ca3af; stroke-dasharray: 3 3 }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" class="title">{escape(title)}: speed relative to the base; longer is better</text>',
    ]


def _bar(measure: Measure, peer: str, found: Relative, y: int) -> list[str]:
    best = measure.best(peer)
    middle = y + _BAR // 2
    figures = f"{found.median:.2f}" + (f" · {number(best)} {measure.unit}" if best is not None else "")
    ends = max(_x(found.median), _x(found.high))
    return [
        f'<text x="{_LEFT - 6}" y="{y + 11}" class="name">{escape(TITLES[peer])}</text>',
        f'<rect x="{_LEFT}" y="{y + 2}" width="{_x(found.median) - _LEFT:.1f}" height="{_BAR - 4}"'
        f' fill="{COLOURS[peer]}"><title>{escape(f"{TITLES[peer]}: {_spread(found)}")}</title></rect>',
        f'<line x1="{_x(found.low):.1f}" x2="{_x(found.high):.1f}" y1="{middle}" y2="{middle}" class="spread"/>',
        f'<text x="{ends + 6:.1f}" y="{y + 11}">{escape(figures)}</text>',
    ]


def _rule(top: int, bottom: int) -> str:
    return f'<line x1="{_x(1):.1f}" x2="{_x(1):.1f}" y1="{top}" y2="{bottom}" class="base"/>'


def _x(relative: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(relative, _LONGEST) / _LONGEST
