"""`micropie run` serves the app that `module:app` names with uvicorn.

This module owns the options and the exit code of each way of serving. A single process serves the app that it loaded
itself. With --reload or --workers the app is loaded in child processes. It is loaded in a trial process first, so that
an app that cannot be loaded is reported once, with the usual exit code.
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
    errno.EADDRINUSE: "is in use. Stop the program that listens there, or choose another port with --port",
    errno.EACCES: "needs privileges that this process does not have. Choose a port above 1023 with --port",
}
"""Why listening on an address fails, with the fix. All other errors are left to the server."""


@click.command
@target_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 means any free port.",
)
@click.option("--reload", is_flag=True, help="Restart when a Python file below --app-dir changes.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    show_envvar=True,
    help="The number of processes that share the address.",
)
@click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True)
@click.option(
    "--proxy-headers/--no-proxy-headers",
    default=None,
    help="Trust X-Forwarded-For and X-Forwarded-Proto. On if --forwarded-allow-ips is given, else off.",
)
@click.option(
    "--forwarded-allow-ips",
    envvar="FORWARDED_ALLOW_IPS",
    show_envvar=True,
    metavar="ADDRESSES",
    help="The proxies to trust: addresses and networks, comma-separated, or '*'. The default is loopback.",
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

    TARGET is module:app: an App instance, a subclass of App, or any other ASGI app.
    """
    if reload and workers > 1:
        raise click.UsageError(
            "--reload needs a single process. Remove --reload, or remove --workers and WEB_CONCURRENCY."
        )
    ctx.find_root().obj = debug = log_level in DEBUG_LEVELS
    parse_target(target)
    _require_uvicorn()
    _require_address(host, port)
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        # Also passed when it is 1: without it uvicorn reads WEB_CONCURRENCY.
        "workers": workers,
        "log_level": log_level,
        "proxy_headers": forwarded_allow_ips is not None if proxy_headers is None else proxy_headers,
        "forwarded_allow_ips": forwarded_allow_ips,
        "root_path": root_path,
        # Not left to uvicorn, which takes an app whose __call__ is not `async def` for ASGI 2.
        "interface": "asgi3",
        # Always True: otherwise uvicorn calls the app without arguments to find out whether it is a factory.
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
    """Serve the app and reload it when a file changes. If a change breaks it, report that and wait for the next."""
    import uvicorn

    uvicorn.run(CHILD_TARGET, reload=True, reload_dirs=[directory], **options)


def _serve_with_workers(options: dict[str, Any]) -> None:
    # uvicorn.run() does the same, but does not report why the workers ended.
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(CHILD_TARGET, **options)
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        sys.exit(NOT_STARTED)


def _try_loading() -> None:
    """Load the app in a trial process, and exit if that fails. This process only supervises, and must not load it."""
    # Not a daemon, because a daemon may not start processes, and the app may want to.
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
    """Load the app and drop it."""
    try:
        load_in_child()
    except KeyboardInterrupt:
        # Ctrl-C reaches every process of a terminal; the parent process handles it.
        sys.exit(NOT_STARTED)


def _require_uvicorn() -> None:
    try:
        importlib.import_module("uvicorn")
    except ImportError:
        raise MissingDependency("uvicorn", "Serving an app", "standard") from None


def _require_address(host: str, port: int) -> None:
    """Raise LoadError if the address cannot be used, before anything is loaded. The server would notice later."""
    try:
        for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            socket.create_server(address, family=family).close()
    except OSError as error:
        if error.errno in REFUSALS:
            message = f"Port {port} of {host} {REFUSALS[error.errno]}."
            raise LoadError(message, NOT_STARTED) from None
