"""A request's session between its store and its cookie: loaded before anybody asks, saved before the response starts.

`sessions/` knows stores and one session's history; this knows requests and what a response must say.
"""

from collections.abc import Mapping
from typing import Protocol

from .._utils.lazy_imports import logging
from ..config import SessionConfig
from ..responses.headers import VARY
from ..sentinels import UNSET
from ..types import HeaderItems, Scope
from . import SessionBackend, SessionState, build_session_cookie, is_secure_cookie
from .snapshot import Frozen


class HasSession(Protocol):
    """The part of a `Request` that this module uses."""

    current_session: SessionState | None
    """The session once it is loaded or begun."""
    scope: Scope

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers by their names in lower case."""
        ...

    @property
    def session_state(self) -> SessionState:
        """The current session, which reading this begins if there is none."""
        ...

    def session_cookie(self, name: str) -> str | None:
        """Return the identifier in the cookie `name`; None without one."""
        ...


def try_load_session(request: HasSession, backend: SessionBackend, config: SessionConfig) -> bool:
    """Load the session that the request's cookie names, once, unless the store has to be waited for; whether it is.

    Without a cookie nothing is asked.
    """
    if request.current_session is None:
        cookie = request.session_cookie(config.cookie)
        if cookie is not None:
            request.current_session = SessionState.open_without_waiting(backend, cookie)
            return request.current_session is not None
    return True


async def load_session(request: HasSession, backend: SessionBackend, config: SessionConfig) -> None:
    """As `opened`, waiting for the store."""
    if request.current_session is None:
        cookie = request.session_cookie(config.cookie)
        if cookie is not None:
            request.current_session = await SessionState.open(backend, cookie)


async def save_and_build_headers(
    request: HasSession, backend: SessionBackend, config: SessionConfig
) -> list[tuple[str, str]]:
    """Save the session; what must be added to the response, for the client and for caches."""
    state = request.session_state
    changes = state.freeze_changes()
    added: HeaderItems = VARY if state.touched else ()
    if changes is not None:
        added = await save_session(request, backend, config, changes)
    state.sealed = True
    return list(added)


async def save_session(
    request: HasSession,
    backend: SessionBackend,
    config: SessionConfig,
    changes: Frozen,
    headers: HeaderItems = (),
) -> HeaderItems:
    """Save the session's `changes`, which are pending; what must be added to a response with `headers`.

    A response that came of a session varies by its cookie; one that sets it is stored nowhere, whatever else was said
    of it (RFC 9111 §5.2.2.5).
    """
    identifier = await request.session_state.save(backend, changes, config.timeout)
    if identifier is UNSET:
        return VARY
    added = [*VARY, build_identifier_header(request, config, identifier)]
    if not any(name.lower() == "cache-control" and "no-store" in value.lower() for name, value in headers):
        added.append(("Cache-Control", "no-store"))
    return added


def build_identifier_header(request: HasSession, config: SessionConfig, identifier: str | None) -> tuple[str, str]:
    """The header that gives the client of `request` the session's `identifier`, or takes it away."""
    secure = is_secure_cookie(request.scope.get("scheme", "http"), request.headers.get("host", ""))
    return build_session_cookie(config, identifier, secure=secure)


async def save_after_response(request: HasSession, backend: SessionBackend, config: SessionConfig) -> None:
    """Save what changed after the response had started. A session that only began then is lost, and that is logged."""
    state = request.session_state
    state.sealed = True
    await state.commit(backend, config.timeout)
    if state.identifier is None and state.touched and state.data and not state.lost:
        logging.getLogger("micropie").warning(
            "A session was begun in a stream, or after the response had started: its cookie cannot be set any more"
        )
