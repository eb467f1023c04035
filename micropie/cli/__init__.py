"""The `micropie` command: one file for each subcommand, imported only when it is asked for.

Owns what all subcommands share: the way in, how a target is named, and the exit codes. click itself is imported inside
the functions, because `main` must also be able to say that it is missing.
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
"""Each is the function of that name in the module of that name, in the order in which `--help` lists them."""

EXIT_CODES: Final = (
    "Exit codes: 0 fine or interrupted, 1 problems found, 2 wrong usage, 3 the app could not be imported or started."
)

Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> NoReturn:
    """The `micropie` command and `python -m micropie`. Ends the process with one of `EXIT_CODES`."""
    try:
        importlib.import_module("click")
    except ImportError:
        report(MissingDependency("click", "The command line", "standard"))
        sys.exit(NOT_STARTED)
    # Being asked to stop is Ctrl-C from another hand, and ends as quietly.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):  # else it is closed
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does with what it has no letters for
    command_line().main(prog_name="micropie")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Python's own handler does the same, but asyncio.Runner knows it by identity and puts one that cancels the main
    # task in its place: one signal would end as KeyboardInterrupt, the other (under a tracer) as CancelledError.
    raise KeyboardInterrupt


def command_line() -> "click.Group":
    """The click group of all subcommands."""
    import click

    from .. import __version__

    class Commands(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
            return list(COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
            if cmd_name not in COMMANDS:
                return None
            module = importlib.import_module(f".{cmd_name}", __name__)
            return cast(click.Command, getattr(module, cmd_name))

        def invoke(self, ctx: click.Context) -> object:
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
        help="Serve a micropie app, and look into it. TARGET is module:app.",
        epilog=EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, message="%(prog)s %(version)s")(group)


def target_options(command: Command) -> Command:
    """The TARGET argument and the options that say how to find it, for every subcommand that loads an app."""
    import click

    options = (
        click.argument("target", metavar="TARGET"),
        click.option("--factory", is_flag=True, help="TARGET is a function that returns the app."),
        click.option(
            "--app-dir",
            type=click.Path(exists=True, file_okay=False),
            default=".",
            show_default=True,
            help="Look for the module here first.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
