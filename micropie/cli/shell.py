"""`micropie shell` opens a Python prompt that holds the app, the names of its module, and a client for the app.

The prompt is IPython's if that is installed, else Python's. Piped input is executed line by line, without prompts.
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
from .output import style_heading

NAME: Final = "<micropie shell>"
"""The file name of the typed code in tracebacks."""


@click.command
@target_options
@click.option("-c", "source", metavar="CODE", help="Execute CODE, then exit.")
@click.pass_context
def shell(ctx: click.Context, target: str, factory: bool, app_dir: str, source: str | None) -> None:
    """Open a Python prompt with TARGET loaded.

    TARGET is module:app. The prompt holds `app`, all names of the module, and `client`, a test client for the app:
    `client.get("/")`. Startup handlers run inside `with client:`.
    """
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    names = _build_names(parse_target(target).module, app, ctx)
    if source is not None:
        ctx.exit(_execute(source, names))
    if sys.stdin is None:
        return
    if not sys.stdin.isatty():
        piped = _Piped(names)
        piped.interact(banner="", exitmsg="")
        _execute("\n".join(piped.buffer), names)  # an unfinished statement: this reports its error
        return
    banner = _build_banner(target, names)
    start = _find_ipython(banner) or _build_plain_prompt(banner)
    start(names)


def _build_names(module: str, app: App, ctx: click.Context) -> dict[str, Any]:
    """Build the namespace of the prompt: the module's names, `app` and `client`."""
    names = {name: value for name, value in vars(sys.modules[module]).items() if not name.startswith("__")}
    names |= {"__name__": "__console__", "__doc__": None, "app": app}
    with suppress(ImportError):  # without httpx2 the prompt has no client
        names["client"] = client = importlib.import_module("micropie.testing").TestClient(app)
        ctx.call_on_close(client.close)
    return names


def _build_banner(target: str, names: dict[str, Any]) -> str:
    if "client" in names:
        client = f", {style_heading('client')} sends requests to it: client.get('/')"
    else:
        client = ". For a client: pip install 'micropie[client]'"
    return f"{style_heading('app')} is {target}{client}"


def _execute(source: str, names: dict[str, Any]) -> int:
    """Execute `source` and return the exit code. An exception is printed as Python would print it."""
    try:
        exec(compile(source, NAME, "exec"), names)  # noqa: S102  (the command exists to execute typed code)
    except Exception as error:  # noqa: BLE001  (the user gets every exception of the code that they typed)
        _print_traceback(error)
        return PROBLEMS
    return 0


def _print_traceback(error: Exception) -> None:
    """Print the traceback, beginning with the typed code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))


class _Piped(code.InteractiveConsole):
    """A console that reads standard input and prints no prompts."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names, NAME)
        self._ended = False

    def raw_input(self, prompt: str = "") -> str:  # noqa: ARG002  (the signature of InteractiveConsole's)
        """Return the next line. Raises EOFError at the end of the input."""
        line = sys.stdin.readline()
        if not line:
            if self._ended or not self.buffer:
                raise EOFError
            self._ended = True  # the empty line ends a block that is still open
        return line.rstrip("\n")

    def write(self, data: str) -> None:
        """Write a traceback to standard error. The empty line that `interact` writes at the end is dropped."""
        if data.strip():
            sys.stderr.write(data)


def _find_ipython(banner: str) -> Callable[[dict[str, Any]], None] | None:
    try:
        ipython: Any = importlib.import_module("IPython")
    except ImportError:
        return None

    def start(names: dict[str, Any]) -> None:
        click.echo(banner)
        ipython.start_ipython(argv=["--no-banner"], user_ns=names)

    return start


def _build_plain_prompt(banner: str) -> Callable[[dict[str, Any]], None]:
    def start(names: dict[str, Any]) -> None:
        with _complete_names(names):
            code.interact(f"Python {sys.version.split()[0]}. {banner}", local=names, exitmsg="")

    return start


@contextmanager
def _complete_names(names: dict[str, Any]) -> Generator[None]:
    """Let the Tab key complete names inside the block, if the platform has readline."""
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
