"""`micropie shell`: a Python prompt in which the app, what its module defines, and a client for it are at hand.

IPython's where it is installed, else Python's own. What is piped in is executed line by line, without prompts.
"""

import code
import importlib
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final

import click

from ..app.application import App
from . import target_options
from .loading import PROBLEMS, load_micropie_app, parse_target
from .output import heading

NAME: Final = "<micropie shell>"
"""What tracebacks call the code that was typed."""


@click.command
@target_options
@click.option("-c", "source", metavar="CODE", help="Execute CODE, then end.")
@click.pass_context
def shell(ctx: click.Context, target: str, factory: bool, app_dir: str, source: str | None) -> None:
    """Open a Python prompt with TARGET loaded.

    TARGET is module:app. At hand are `app`, everything that the module defines, and `client`, a test client for the
    app: `client.get("/")`. Startup handlers run inside `with client:`.
    """
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    names = _names(parse_target(target).module, app, ctx)
    if source is not None:
        ctx.exit(_execute(source, names))
    if sys.stdin is None:
        return
    if not sys.stdin.isatty():
        piped = _Piped(names)
        piped.interact(banner="", exitmsg="")
        _execute("\n".join(piped.buffer), names)  # what never came to an end: says so
        return
    start = _ipython(_banner(target, names)) or _plain(_banner(target, names))
    start(names)


def _names(module: str, app: App, ctx: click.Context) -> dict[str, Any]:
    """What the prompt knows: the module's names, then ours."""
    found = {name: value for name, value in vars(sys.modules[module]).items() if not name.startswith("__")}
    found |= {"__name__": "__console__", "__doc__": None, "app": app}
    with suppress(ImportError):  # without httpx2 there is no client, and the banner does not speak of one
        found["client"] = client = importlib.import_module("micropie.testing").TestClient(app)
        ctx.call_on_close(client.close)
    return found


def _banner(target: str, names: dict[str, Any]) -> str:
    has_client = "client" in names
    client = (
        f", {heading('client')} asks it: client.get('/')" if has_client else " (no client: install micropie[client])"
    )
    return f"{heading('app')} is {target}{client}"


def _execute(source: str, names: dict[str, Any]) -> int:
    """Run `source`; the exit code. What it raises is shown as Python would."""
    try:
        exec(compile(source, NAME, "exec"), names)  # noqa: S102  (that is what it is for)
    except Exception as error:  # noqa: BLE001  (whatever it raises is for whoever typed it)
        _show(error)
        return PROBLEMS
    return 0


def _show(error: Exception) -> None:
    """Print the traceback, from the code that was typed on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))


class _Piped(code.InteractiveConsole):
    """A console that reads its standard input and asks for nothing."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names, NAME)
        self._ended = False

    def raw_input(self, prompt: str = "") -> str:  # noqa: ARG002  (the signature of the console's)
        line = sys.stdin.readline()
        if not line:
            if self._ended or not self.buffer:
                raise EOFError
            self._ended = True  # an empty line ends a block that the end of the input left open
        return line.rstrip("\n")

    def write(self, data: str) -> None:
        """Tracebacks; the line that `interact` ends with is none."""
        if data.strip():
            sys.stderr.write(data)


def _ipython(banner: str) -> Callable[[dict[str, Any]], None] | None:
    try:
        ipython: Any = importlib.import_module("IPython")
    except ImportError:
        return None

    def start(names: dict[str, Any]) -> None:
        click.echo(banner)
        ipython.start_ipython(argv=["--no-banner"], user_ns=names)

    return start


def _plain(banner: str) -> Callable[[dict[str, Any]], None]:
    def start(names: dict[str, Any]) -> None:
        with _completion(names):
            code.interact(f"Python {sys.version.split()[0]}. {banner}", local=names, exitmsg="")

    return start


@contextmanager
def _completion(names: dict[str, Any]) -> Generator[None]:
    """The Tab key completes names, where the platform has readline."""
    try:
        readline: Any = importlib.import_module("readline")
    except ImportError:
        yield
        return
    before = readline.get_completer()
    readline.set_completer(importlib.import_module("rlcompleter").Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(before)
