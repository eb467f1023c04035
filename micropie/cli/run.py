"""`micropie run`: uvicorn with the app that `module:app` names.

Owns the options and what each way of serving means for the exit code. One process serves the app it loaded itself;
with --reload or --workers the app is loaded in processes of their own, so it is tried in one first: an app that cannot
be loaded is reported once, and the command ends with the same code as ever.
"""

import errno
import importlib
import multiprocessing
import socket
import sys
from typing import Any, Final

import click

from ..errors import MissingDependency
from ..types import ASGIApp
from . import target_options
from .loading import NOT_STARTED, WRONG_USAGE, LoadError, hand_over, load_app, load_in_child, parse_target

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
DEBUG_LEVELS: Final = ("debug", "trace")

CHILD_TARGET: Final = f"{load_in_child.__module__}:{load_in_child.__name__}"

REFUSALS: Final = {
    errno.EADDRINUSE: "is in use. Stop what listens there, or choose another with --port",
    errno.EACCES: "needs privileges that this process does not have. Choose one above 1023 with --port",
}
"""Why an address may not be had, and the remedy. Everything else is left to the server to find out."""


@click.command
@target_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any that is free."
)
@click.option("--reload", is_flag=True, help="Start again when a Python file below --app-dir changes.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    show_envvar=True,
    help="Processes that share the address.",
)
@click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True)
@click.option(
    "--proxy-headers/--no-proxy-headers",
    default=None,
    help="Believe X-Forwarded-For and -Proto. On when --forwarded-allow-ips is given, else off.",
)
@click.option(
    "--forwarded-allow-ips",
    envvar="FORWARDED_ALLOW_IPS",
    show_envvar=True,
    metavar="ADDRESSES",
    help="The proxies to believe: addresses and networks, comma separated, or '*'. Loopback when not given.",
)
@click.option("--root-path", default="", metavar="PATH", help="The path below which a proxy serves the app.")
@click.pass_context
def run(
    ctx: click.Context,
    target: str,
    factory: bool,
    app_dir: str,
    host: str,
    port: int,
    reload: bool,
    workers: int,
    log_level: str,
    proxy_headers: bool | None,
    forwarded_allow_ips: str | None,
    root_path: str,
) -> None:
    """Serve TARGET with uvicorn.

    TARGET is module:app, an App instance or a subclass of App (or any other ASGI app).
    """
    if reload and workers > 1:
        raise click.UsageError("--reload is for one process: leave out --reload or --workers (or WEB_CONCURRENCY).")
    ctx.find_root().obj = debug = log_level in DEBUG_LEVELS
    parse_target(target)
    _require_uvicorn()
    _require_address(host, port)
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        # Told even when it is 1: uvicorn reads WEB_CONCURRENCY where it is told nothing.
        "workers": workers,
        "log_level": log_level,
        "proxy_headers": forwarded_allow_ips is not None if proxy_headers is None else proxy_headers,
        "forwarded_allow_ips": forwarded_allow_ips,
        "root_path": root_path,
        # Told, not guessed: uvicorn takes an app whose __call__ is not `async def` for ASGI 2.
        "interface": "asgi3",
        # Always: without it uvicorn calls the app without arguments to find out whether it is a factory.
        "factory": True,
    }
    if not reload and workers == 1:
        return _serve(load_app(target, factory=factory, app_dir=app_dir), options)
    hand_over(target, factory=factory, app_dir=app_dir, debug=debug)
    _try_loading()
    if reload:
        return _serve_reloading(app_dir, options)
    return _serve_with_workers(options)


def _serve(app: ASGIApp, options: dict[str, Any]) -> None:
    import uvicorn

    uvicorn.run(lambda: app, **options)


def _serve_reloading(directory: str, options: dict[str, Any]) -> None:
    """An app that breaks while it is edited is reported, and awaits the next change."""
    import uvicorn

    uvicorn.run(CHILD_TARGET, reload=True, reload_dirs=[directory], **options)


def _serve_with_workers(options: dict[str, Any]) -> None:
    # uvicorn.run() would do the same and then forget why the workers ended.
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(CHILD_TARGET, **options)
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(NOT_STARTED)


def _try_loading() -> None:
    """End here if the app cannot be loaded. Tried in a process of its own: this one only looks after the others."""
    # Not a daemon: those may not start processes, and the app may.
    process = multiprocessing.get_context("spawn").Process(target=try_loading)
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:
        process.terminate()
        raise
    if process.exitcode:
        sys.exit(WRONG_USAGE if process.exitcode == WRONG_USAGE else NOT_STARTED)


def try_loading() -> None:
    """Load the app and let it go."""
    try:
        load_in_child()
    except KeyboardInterrupt:
        # Ctrl-C reaches every process of a terminal; the one above this one answers it.
        sys.exit(NOT_STARTED)


def _require_uvicorn() -> None:
    try:
        importlib.import_module("uvicorn")
    except ImportError:
        raise MissingDependency("uvicorn", "Serving an app", "standard") from None


def _require_address(host: str, port: int) -> None:
    """Find out before anything is loaded and started, as the server would only after."""
    try:
        for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            socket.create_server(address, family=family).close()
    except OSError as error:
        if error.errno in REFUSALS:
            message = f"Port {port} of {host} {REFUSALS[error.errno]}."
            raise LoadError(message, NOT_STARTED) from None
