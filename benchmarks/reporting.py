"""This module writes a run as text: JSON with every sample, and a Markdown table and an SVG chart for each suite."""

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


def save_report(report: Report, folder: Path) -> list[Path]:
    """Write the report and its charts into `folder`, which is created. Return the paths of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        JSON_NAME: msgspec.json.format(msgspec.json.encode(report)).decode(),
        MARKDOWN_NAME: render_markdown(report),
    }
    files |= {f"{suite}.svg": render_chart(report, suite) for suite in _list_suites(report)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def load_report(text: str | bytes) -> Report:
    """Decode a report from its JSON. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Report)


def _list_suites(report: Report) -> list[str]:
    return [suite for suite in SUITES if any(measure.suite == suite for measure in report.measures)]


def _select_measures(report: Report, suite: str) -> list[Measure]:
    return [measure for measure in report.measures if measure.suite == suite]


def _list_peers(report: Report) -> list[str]:
    """Return the names of the peers that took part, in the order of the tables."""
    return [kind.name for kind in KINDS if kind.name in report.peers]


def format_number(value: float) -> str:
    """Format `value` with three significant digits and without an exponent."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


# --- Markdown ---


def render_markdown(report: Report) -> str:
    """Return the report as Markdown, with a table for each suite."""
    return "\n".join(_render_lines(report)) + "\n"


def _render_lines(report: Report) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield f"{report.started}{', quick run: figures are rough' if report.quick else ''}"
    yield ""
    for name, value in report.machine.items():
        yield f"- {name}: {value}"
    for peer in _list_peers(report):
        yield f"- {TITLES[peer]}: {report.peers[peer]}"
    for peer, why in report.absent.items():
        yield f"- {TITLES[peer]}: left out: {why}"
    for remark in report.remarks:
        yield f"- {remark}"
    yield ""
    yield "A cell is the best sample, and in parentheses the speed relative to the base, whose own cell has none:"
    yield "the median of the rounds, and their middle half. Above 1 is faster, or smaller, than the base."
    for suite in _list_suites(report):
        yield ""
        yield f"## {SUITES[suite]}"
        yield ""
        yield f"![{SUITES[suite]}]({suite}.svg)"
        yield ""
        yield from _render_table(_select_measures(report, suite), _list_peers(report))
        yield from _explain_gaps(_select_measures(report, suite))


def _render_table(measures: Sequence[Measure], peers: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(["", *(TITLES[peer] for peer in peers)]) + " |"
    yield "| --- |" + " ---: |" * len(peers)
    for measure in measures:
        cells = [f"{measure.title} ({measure.unit})", *(_format_cell(measure, peer) for peer in peers)]
        yield "| " + " | ".join(cells) + " |"


def _format_cell(measure: Measure, peer: str) -> str:
    best = measure.best(peer)
    if best is None:
        return "–"
    relative = measure.compare(peer)
    if peer == measure.base or relative is None:
        return format_number(best)
    return f"{format_number(best)} ({_format_spread(relative)})"


def _format_spread(relative: Relative) -> str:
    if relative.low == relative.high:
        return f"{relative.median:.2f}"
    return f"{relative.median:.2f}, {relative.low:.2f}–{relative.high:.2f}"


def _explain_gaps(measures: Sequence[Measure]) -> Iterator[str]:
    """Yield the reasons for empty cells, a line for each peer and reason."""
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
"""The start of the bars. The names of the peers are to the left of it."""
_RIGHT: Final = 180
"""The space for the figures to the right of the bars."""
_BAR: Final = 14
_GAP: Final = 30
"""The height of a title and the space above it."""
_LONGEST: Final = 2.0
"""The relative speed of the longest bar. A faster peer has a bar of this length; its figure shows its speed."""


def render_chart(report: Report, suite: str) -> str:
    """Draw the relative speeds of a suite: a group of bars for each measure, each with a line for its middle half."""
    peers = _list_peers(report)
    parts: list[str] = []
    y = 40
    for measure in _select_measures(report, suite):
        rows = [(peer, relative) for peer in peers if (relative := measure.compare(peer)) is not None]
        if not rows:
            continue
        parts.append(f'<text x="{_LEFT}" y="{y + 18}" class="title">{escape(measure.title)}</text>')
        y += _GAP
        for peer, relative in rows:
            parts += _draw_bar(measure, peer, relative, y)
            y += _BAR
        parts.append(_draw_base_line(y - _BAR * len(rows), y))
    return "\n".join([*_draw_head(SUITES[suite], y + 20), *parts, "</svg>"]) + "\n"


def _draw_head(title: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        "<style>text { font: 11px sans-serif; fill: #111827 } .title { font-weight: bold } .name { text-anchor: end }"
        " .spread { stroke: #9ca3af; stroke-width: 2 } .base { stroke: #9ca3af; stroke-dasharray: 3 3 }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" class="title">{escape(title)}: speed relative to the base; longer is better</text>',
    ]


def _draw_bar(measure: Measure, peer: str, relative: Relative, y: int) -> list[str]:
    best = measure.best(peer)
    middle = y + _BAR // 2
    figures = f"{relative.median:.2f}" + (f" · {format_number(best)} {measure.unit}" if best is not None else "")
    end = max(_scale_x(relative.median), _scale_x(relative.high))
    return [
        f'<text x="{_LEFT - 6}" y="{y + 11}" class="name">{escape(TITLES[peer])}</text>',
        f'<rect x="{_LEFT}" y="{y + 2}" width="{_scale_x(relative.median) - _LEFT:.1f}" height="{_BAR - 4}"'
        f' fill="{COLOURS[peer]}"><title>{escape(f"{TITLES[peer]}: {_format_spread(relative)}")}</title></rect>',
        f'<line x1="{_scale_x(relative.low):.1f}" x2="{_scale_x(relative.high):.1f}"'
        f' y1="{middle}" y2="{middle}" class="spread"/>',
        f'<text x="{end + 6:.1f}" y="{y + 11}">{escape(figures)}</text>',
    ]


def _draw_base_line(top: int, bottom: int) -> str:
    return f'<line x1="{_scale_x(1):.1f}" x2="{_scale_x(1):.1f}" y1="{top}" y2="{bottom}" class="base"/>'


def _scale_x(speed: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(speed, _LONGEST) / _LONGEST
