"""`micropie check` reports everything that is wrong with an app, as text, as JSON or as GitHub's annotations."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import click
import msgspec

from ..app.application import App
from ..errors import SetupError
from ..inspection.checks import Finding, build_finding, collect_setup_problems
from ..inspection.checks import check as run_checks
from ..inspection.url_list import list_urls
from . import target_options
from .loading import PROBLEMS, LoadError, format_path, load_micropie_app, redirect_prints
from .output import count_noun, emit, emit_json, indent_lines, style, style_faint

COLOURS: Final = {"error": "red", "warning": "yellow"}


@click.command
@target_options
@click.option("--strict", is_flag=True, help="Fail for warnings, too.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.pass_context
def check(ctx: click.Context, target: str, factory: bool, app_dir: str, strict: bool, form: str) -> None:
    """Report mistakes in TARGET, and code that looks unintended.

    TARGET is module:app: an App instance or a subclass of App. Nothing is served, and no handler is called.
    """
    app, findings = _check_target(target, factory=factory, app_dir=app_dir)
    FORMATS[form](target, app, findings)
    failing = [finding for finding in findings if strict or finding.level == "error"]
    ctx.exit(PROBLEMS if failing else 0)


def _check_target(target: str, *, factory: bool, app_dir: str) -> tuple[App | None, list[Finding]]:
    """Return the app and its findings; the app is None if it could not be created.

    Raises LoadError if the app could not be loaded for a reason that is not a finding.
    """
    with collect_setup_problems() as problems:
        try:
            app = load_micropie_app(target, factory=factory, app_dir=app_dir)
        except LoadError as error:
            if not isinstance(error.__cause__, SetupError):
                raise
            # A handler that was set late raised this: without an app, there is nothing more to check.
            return None, [build_finding(problem) for problem in (*problems, *error.__cause__.problems)]
    with redirect_prints():
        return app, run_checks(app, problems)


def _print_text(target: str, app: App | None, findings: Sequence[Finding]) -> None:
    lines = [line for finding in findings for line in _format_finding(finding)]
    levels = [finding.level for finding in findings]
    if findings:
        summary = f"{count_noun(levels.count('error'), 'error')}, {count_noun(levels.count('warning'), 'warning')}."
    else:
        summary = f"{target}: no problems in {count_noun(len(list_urls(app)) if app is not None else 0, 'URL')}."
    emit("\n".join([*lines, style(summary, bold=True, colour=None if findings else "green")]))


def _format_finding(finding: Finding) -> Iterator[str]:
    place = f"{format_path(finding.file)}:{finding.line}: " if finding.file else ""
    level = style(finding.level, colour=COLOURS[finding.level], bold=True)
    yield f"{place}{level}: {finding.where}: {finding.what} {style_faint(f'[{finding.code}]')}"
    yield from indent_lines([finding.remedy], levels=2)


def _print_json(_target: str, _app: App | None, findings: Sequence[Finding]) -> None:
    levels = [finding.level for finding in findings]
    documents = [{"level": finding.level, **msgspec.to_builtins(finding)} for finding in findings]
    emit_json({"errors": levels.count("error"), "warnings": levels.count("warning"), "findings": documents})


def _print_github(_target: str, _app: App | None, findings: Sequence[Finding]) -> None:
    for finding in findings:
        properties = {"file": _format_url(finding.file), "line": finding.line, "title": f"micropie {finding.code}"}
        written = ",".join(
            f"{name}={str(value).translate(_PROPERTY)}" for name, value in properties.items() if value is not None
        )
        message = f"{finding.where}: {finding.what}\n{finding.remedy}"
        emit(f"::{finding.level} {written}::{message.translate(_DATA)}")


def _format_url(file: str | None) -> str | None:
    return None if file is None else format_path(file).replace(os.sep, "/")


# GitHub's workflow commands: actions/toolkit, packages/core/src/command.ts, escapeData and escapeProperty
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = {**_DATA, **str.maketrans({":": "%3A", ",": "%2C"})}


FORMATS: Final[dict[str, Callable[[str, App | None, Sequence[Finding]], None]]] = {
    "text": _print_text,
    "json": _print_json,
    "github": _print_github,
}
