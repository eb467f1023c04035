"""This package holds the `micropie` command, with one module for each subcommand.

The module of a subcommand is imported only when that subcommand runs. This one owns what all of them share: the entry
point, the options that name a target, and the exit codes. Its functions import click themselves, because `main` must
also work without click, to report that it is missing.

- `loading`: turns `module:app` into an app, or into an error that teaches
- `suggestions`: words "Did you mean …?" for a mistyped name
- `output`: prints text, columns and JSON
- `run`: serves an app with uvicorn
- `routes`: lists URLs and their handlers
- `check`: reports mistakes in an app
- `openapi`: prints the OpenAPI or the AsyncAPI document
- `explain`: shows what an app would do with one request
- `shell`: opens a Python prompt with the app loaded
"""

import importlib
import io
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from ..errors import MissingDependency
from .loading import NOT_STARTED, LoadError, report

if TYPE_CHECKING:
    import click

COMMANDS: Final = ("run", "routes", "check", "openapi", "explain", "shell")
"""The subcommands in the order of `--help`. Each is a function in a module, both of the same name."""

EXIT_CODES: Final = (
    "Exit codes: 0 fine or interrupted, 1 problems found, 2 wrong usage, 3 the app could not be imported or started."
)

Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> NoReturn:
    """Run `micropie` or `python -m micropie`, and end the process with one of `EXIT_CODES`."""
    try:
        importlib.import_module("click")
    except ImportError:
        report(MissingDependency("click", "The command line", "standard"))
        sys.exit(NOT_STARTED)
    # SIGTERM ends the command as quietly as Ctrl-C.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):  # it is None when it is closed
        # Characters that the terminal's encoding lacks are escaped, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")
    command_line().main(prog_name="micropie")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Python's default handler does the same, but asyncio.Runner recognises that handler by identity, and replaces it by
    # one that cancels the main task. Then SIGTERM would end as KeyboardInterrupt, but SIGINT (under a tracer) as
    # CancelledError.
    raise KeyboardInterrupt


def command_line() -> "click.Group":
    """Build the click group of all subcommands."""
    import click

    from .. import __version__

    class Commands(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
            return list(COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
            """Import the module of the subcommand and return its command, or None if there is none of that name."""
            if cmd_name not in COMMANDS:
                return None
            module = importlib.import_module(f".{cmd_name}", __name__)
            return cast(click.Command, getattr(module, cmd_name))

        def invoke(self, ctx: click.Context) -> object:
            """Run the subcommand. An interrupt or an error ends the process with its exit code, without a traceback."""
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                ctx.exit(0)
            except LoadError as error:
                report(error, debug=bool(ctx.obj))
                ctx.exit(error.exit_code)
            except MissingDependency as error:
                report(error)
                ctx.exit(NOT_STARTED)

    group = Commands(
        help="Serve or inspect a micropie app. TARGET is module:app.",
        epilog=EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, message="%(prog)s %(version)s")(group)


def target_options(command: Command) -> Command:
    """Add the TARGET argument, and the options that say how to find it, to a subcommand that loads an app."""
    import click

    options = (
        click.argument("target", metavar="TARGET"),
        click.option("--factory", is_flag=True, help="TARGET is a function that returns the app."),
        click.option(
            "--app-dir",
            type=click.Path(exists=True, file_okay=False),
            default=".",
            show_default=True,
            help="The directory to search for the module first.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
