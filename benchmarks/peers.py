"""This module finds the frameworks that take part, with their interpreters and versions.

It installs nothing. A framework that its interpreter cannot import is left out, and the report says so. The import path
of the processes is a directory that holds only `benchmarks`. So `micropie` is the version that each interpreter has
installed, and never this working tree by chance.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

US: Final = "micropie"
BARE: Final = "bare"


@dataclass(frozen=True)
class Kind:
    """A framework: its name, its package, and the statement that imports it."""

    name: str
    title: str
    package: str
    """The package whose version is reported."""
    imports: str
    """The statement whose time is the framework's import time; empty for none."""
    needs: tuple[str, ...] = ()
    """Other modules that its app imports."""

    @property
    def module(self) -> str:
        """The name of its module in `benchmarks.apps`."""
        return self.name if self.name == BARE else f"{self.name}_app"


KINDS: Final = (
    Kind(US, "micropie", "micropie", "import micropie", ("jinja2", "multipart")),
    Kind(BARE, "bare ASGI", "", "", ("jinja2", "msgspec", "multipart")),
    Kind("blacksheep", "BlackSheep", "blacksheep", "from blacksheep import Application", ("pydantic", "itsdangerous")),
    Kind("falcon", "Falcon", "falcon", "import falcon.asgi", ("jinja2", "msgspec")),
    Kind(
        "starlette",
        "Starlette",
        "starlette",
        "from starlette.applications import Starlette; from starlette.responses import JSONResponse; "
        "from starlette.routing import Route; from starlette.requests import Request",
        ("jinja2", "msgspec", "python_multipart", "itsdangerous"),
    ),
    Kind("litestar", "Litestar", "litestar", "from litestar import Litestar, get", ("jinja2",)),
    Kind(
        "fastapi", "FastAPI", "fastapi", "from fastapi import FastAPI", ("jinja2", "python_multipart", "itsdangerous")
    ),
    Kind("micropie032", "MicroPie 0.32", "micropie", "import micropie", ("jinja2", "multipart")),
)

TITLES: Final[Mapping[str, str]] = {kind.name: kind.title for kind in KINDS}

_PROBE: Final = """
import importlib, importlib.metadata, json, sys
package, app, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
lacks = getattr(importlib.import_module(app), "LACKS", {})
version = importlib.metadata.version(package) if package else "Python " + sys.version.split()[0]
print(json.dumps([version, lacks]))
"""


@dataclass(frozen=True)
class Peer:
    """A framework that takes part."""

    kind: Kind
    python: str
    version: str
    lacks: Mapping[str, str]
    """The reason why it cannot do a workload, by the name of the workload."""

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def target(self) -> str:
        """The import string of its app, as servers take it."""
        return f"benchmarks.apps.{self.kind.module}:app"


@dataclass(frozen=True)
class Lineup:
    """The peers that take part, and the folder in which their processes run."""

    peers: Sequence[Peer]
    absent: Mapping[str, str]
    """The reason why a framework does not take part, by name."""
    folder: Path
    """The working directory of every process, and its import path."""

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment variables of a process: the present ones, the import path, and `more`."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("WEB_CONCURRENCY", "PORT")}
        return inherited | {"PYTHONPATH": str(self.folder), "TMPDIR": str(self.folder)} | more


@contextmanager
def gather_peers(names: Sequence[str], micropie032: str) -> Generator[Lineup]:
    """Yield the frameworks among `names` that can take part. `micropie032` is the interpreter that has MicroPie 0.32.

    Raises LookupError when micropie or the bare app cannot take part, because the others are compared with them.
    """
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        (folder / "benchmarks").symlink_to(Path(__file__).parent, target_is_directory=True)
        lineup = Lineup([], {}, folder)
        peers: list[Peer] = []
        absent: dict[str, str] = {}
        for kind in KINDS:
            if kind.name not in names:
                continue
            result = _probe_peer(kind, micropie032 if kind.name == "micropie032" else sys.executable, lineup)
            if isinstance(result, Peer):
                peers.append(result)
            else:
                absent[kind.name] = result
        for required in (US, BARE):
            if required in absent:
                raise LookupError(f"{TITLES[required]} cannot run: {absent[required]}; pip install -e '.[bench]'")
        yield Lineup(peers, absent, folder)


def _probe_peer(kind: Kind, python: str, lineup: Lineup) -> Peer | str:
    """Return the peer, or the reason why it cannot take part."""
    if not python:
        return "no interpreter was named for it (--micropie032 or MICROPIE032_PYTHON)"
    modules = [f"benchmarks.apps.{kind.module}", *kind.needs]
    try:
        process = subprocess.run(
            [python, "-c", _PROBE, kind.package, *modules],
            cwd=lineup.folder,
            env=lineup.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} does not run: {error}"
    if process.returncode:
        return (process.stderr.strip().splitlines() or ["it exited and printed nothing"])[-1]
    version, lacks = json.loads(process.stdout.splitlines()[-1])
    if kind.name == "micropie032" and not version.startswith("0."):
        return f"{python} has micropie {version}"
    return Peer(kind, python, version, lacks)
