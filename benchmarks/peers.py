"""Who takes part: each framework, the interpreter it lives in, its version, or why it is left out.

Nothing is installed here. A framework that its interpreter cannot import is left out and named. Processes get an
import path of their own, a directory with nothing in it but `benchmarks`: so `micropie` is what each interpreter has
installed, never this working tree by chance.
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
    """A framework: what it is called, what is installed for it, and what importing it means."""

    name: str
    title: str
    package: str
    """Whose version is reported."""
    imports: str
    """The statement whose time is the framework's import time; empty for none."""
    needs: tuple[str, ...] = ()
    """What its app imports besides."""

    @property
    def module(self) -> str:
        """Its module in `benchmarks.apps`."""
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
    """What it has no way to do, and why, by the workload's name."""

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def target(self) -> str:
        """Its app, as servers name it."""
        return f"benchmarks.apps.{self.kind.module}:app"


@dataclass(frozen=True)
class Field:
    """Everybody who takes part, and where their processes run."""

    peers: Sequence[Peer]
    absent: Mapping[str, str]
    """Why the others do not, by name."""
    folder: Path
    """The working directory of every process, and its import path."""

    def environment(self, **more: str) -> dict[str, str]:
        """The environment variables of a process."""
        kept = {name: value for name, value in os.environ.items() if name not in ("WEB_CONCURRENCY", "PORT")}
        return kept | {"PYTHONPATH": str(self.folder), "TMPDIR": str(self.folder)} | more


@contextmanager
def gather(names: Sequence[str], micropie032: str) -> Generator[Field]:
    """The frameworks among `names` that can take part; `micropie032` is the interpreter that has MicroPie 0.32.

    Raises LookupError when micropie itself or the bare app cannot: there is nothing to compare with then.
    """
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        (folder / "benchmarks").symlink_to(Path(__file__).parent, target_is_directory=True)
        field = Field([], {}, folder)
        peers: list[Peer] = []
        absent: dict[str, str] = {}
        for kind in KINDS:
            if kind.name not in names:
                continue
            found = _probe(kind, micropie032 if kind.name == "micropie032" else sys.executable, field)
            if isinstance(found, Peer):
                peers.append(found)
            else:
                absent[kind.name] = found
        for needed in (US, BARE):
            if needed in absent:
                raise LookupError(f"{TITLES[needed]} cannot run: {absent[needed]}; pip install -e '.[bench]'")
        yield Field(peers, absent, folder)


def _probe(kind: Kind, python: str, field: Field) -> Peer | str:
    """The peer, or why there is none."""
    if not python:
        return "no interpreter was named for it (--micropie032 or MICROPIE032_PYTHON)"
    modules = [f"benchmarks.apps.{kind.module}", *kind.needs]
    try:
        done = subprocess.run(
            [python, "-c", _PROBE, kind.package, *modules],
            cwd=field.folder,
            env=field.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} does not run: {error}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["exited without a word"])[-1]
    version, lacks = json.loads(done.stdout.splitlines()[-1])
    if kind.name == "micropie032" and not version.startswith("0."):
        return f"{python} has micropie {version}"
    return Peer(kind, python, version, lacks)
