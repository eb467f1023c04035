"""This module writes an app into a file and checks it."""

import importlib
import textwrap
from pathlib import Path

from micropie import App
from micropie.errors import SetupProblem
from micropie.inspection.checks import check, collect_setup_problems

HEADER = """
import sqlite3
from collections.abc import AsyncIterator, Iterator, Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, TypedDict
from msgspec import Meta, Struct
from micropie import App, Depends, Form, HTTPError, Query, Request, Resource, Session, UploadFile, WebSocket, route

async def other(scope, receive, send): ...

class Cart(Struct):
    items: list[str] = []

class Size(Enum):
    small = "s"

class Row(Protocol):
    id: int
"""


def create_app(directory: Path, text: str) -> tuple[App, list[SetupProblem]]:
    """Create the app `Site` of a module with `text`; return it with its setup problems."""
    (directory / "checked.py").write_text(HEADER + textwrap.dedent(text))
    with collect_setup_problems() as problems:
        app: App = importlib.import_module("checked").Site()
    return app, problems


def list_findings(directory: Path, body: str) -> list[str]:
    """Return the code and place of each finding in an App with `body`."""
    inside = textwrap.indent(textwrap.dedent(f"{' ' * 8}{body.strip()}"), "    ")
    app, problems = create_app(directory, f"\nclass Site(App):\n{inside}\n")
    app.mount("/static", importlib.import_module("checked").other)
    return [f"{finding.code} {finding.where}" for finding in check(app, problems)]
