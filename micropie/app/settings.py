"""This module finds the limits and the session settings of a request: those of the innermost App that has its own.

They must hold before anything is loaded, also for the middleware of outer apps. So they are found by the path, before
any middleware runs.
"""

from collections.abc import Sequence
from typing import Protocol

from ..config import DEFAULT_LIMITS, DEFAULT_SESSIONS, SessionConfig
from ..errors import HTTPError
from ..requests.request import Request
from ..routing.match import find_route, match_path
from ..routing.paths import split_path
from ..routing.route import Route
from ..routing.table import Trail
from ..sessions.state import UnloadedSession


class HasSessionConfig(Protocol):
    """An App, as far as this module needs it."""

    session_config: SessionConfig


def find_session_config(app: HasSessionConfig, request: Request) -> SessionConfig:
    """Return the session settings of the request, which `app` serves."""
    return request.micropie_session_config or app.session_config


def apply_settings(request: Request, trail: Trail) -> None:
    """Let the own settings of the App at the end of `trail` hold for the request. Defaults are not its own."""
    owner = trail[-1].owner
    if owner.limits is not DEFAULT_LIMITS:
        request.limits = owner.limits
    if owner.session_config is not DEFAULT_SESSIONS:
        request.micropie_session_config = owner.session_config


def apply_settings_below(request: Request, trail: Trail, segments: Sequence[str] | None, method: str) -> bool:
    """Apply the settings of every App below `trail` that the path leads through.

    `segments` are the path below `trail`; None stands for the whole path. `method` is `""` for a WebSocket. Return
    False if the path leads to a handler that wants no session.
    """
    try:
        if segments is None and method:
            found, values = find_route(trail[-1], request.scope, method)  # which remembers paths
        else:
            found, values = match_path(trail, split_path(request.scope) if segments is None else segments, method)
        while isinstance(found, tuple):
            apply_settings(request, found)
            found, values = match_path(found, values, method)
    except HTTPError:  # which is raised again after the middleware has run
        return True
    return not isinstance(found, Route) or found.loads_session


def is_session_wanted(request: Request, route: Route, config: SessionConfig) -> bool:
    """Return True if the session must be loaded for the handler of `route`, unless that was done before."""
    if isinstance(request.micropie_session, UnloadedSession):  # middleware chose this handler in place of another one
        request.micropie_session = None
    return route.reads_session or not config.explicit
