"""This module holds a project with every kind of target and mistake, and runs the command on it in two ways."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from micropie.cli import main

ROOT = Path(__file__).parents[2]


PATIENCE = 30.0
"""Seconds to wait for a process to answer or to end before the test fails."""


PROJECT = {
    "site_one.py": """
        from micropie import App

        class Site(App):
            async def index(self) -> str:
                return "site"

        class Shop(App):
            def __init__(self, database):
                pass

        class Holder:
            nested = Site()
            @property
            def broken(self):
                raise RuntimeError("not now")

        class Other:
            pass

        class Awaitable:
            def __init__(self, scope, receive, send):
                pass
            def __await__(self):
                yield

        class Crash(App):
            def __init__(self):
                self.prices = {}["apple"]

        app = Site()
        holder = Holder()
        answer = 42
        nothing = None
        compiled = max

        async def plain(scope, receive, send): ...
        def wsgi(environ, start_response): ...
        def create(): return app
        def create_class(): return Site
        def create_nothing(): pass
        def create_crash(): return 1 / 0
        def create_with(settings): return app
        async def create_async(): return app
    """,
    "no_app.py": "value = 1",
    "two_apps.py": "from micropie import App\nclass A(App): pass\nfirst = A()\nsecond = A()",
    "raises.py": "import json\n\ndef read():\n    return json.loads('{')\n\nread()",
    "raises_silently.py": "raise ValueError",
    "imports_absent.py": "import absent_library",
    "imports_broken.py": "import bad_syntax",
    "bad_syntax.py": "x = 1\ny = (",
    "null_byte.py": "x = '\0'",
    "interrupted.py": "raise KeyboardInterrupt",
    "stops.py": "raise GeneratorExit",
    "unspeakable.py": "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad",
    "prints.py": "print('hello')\nfrom site_one import app",
    "generated.py": "exec('def create(): return 1 / 0')",
    "exits.py": "import sys\nsys.exit('bye')",
    "lacks_extra.py": """
        from micropie.errors import MissingDependency
        raise MissingDependency("jinja2", "It", "standard")
    """,
    "bad_handlers.py": """
        from micropie.errors import SetupProblem, SetupError
        raise SetupError([SetupProblem("Site.index", "cannot work", "fix it")])
    """,
    "unreadable.py": """
        from micropie import App

        class Site(App):
            async def one(self, value: complex) -> str:
                return ""
            async def two(self, value: complex) -> str:
                return ""
    """,
    "package/__init__.py": "",
    "package/pages.py": "from micropie import App\nclass Pages(App): pass",
    "folder/notes.txt": "",
}


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(_dedent(text))


def _dedent(text: str) -> str:
    lines = text.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines) + "\n"


def micropie_command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "micropie", *arguments],
        cwd=cwd,
        env=command_environment(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def command_environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run `main` in this process, for what ends before anything is served. Returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["micropie", *arguments])
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    return caught.value.code
