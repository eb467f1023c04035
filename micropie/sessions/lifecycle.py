"""This module loads a request's session before the handler runs, and saves it before the response starts.

It also decides which headers a response carries because of its session. `state` keeps the session's data and their
history; the store saves them.
"""

from collections.abc import Awaitable, Mapping
from typing import Protocol, TypeVar

from .._utils.lazy_imports import logging
from ..config import SessionConfig
from ..errors import HTTPError
from ..responses.cache_headers import PRIVATE, VARY
from ..sentinels import UNSET, Unset
from ..types import HeaderItems, Scope
from .backend import SessionBackend
from .session_cookie import build_session_cookie, is_secure_cookie
from .snapshot import Frozen
from .state import SessionState

T = TypeVar("T")


class HasSession(Protocol):
    """The part of a `Request` that this module uses."""

    micropie_session: SessionState | None
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

    def session_cookie(self, name: str) -> str | Unset | None:
        """Return the identifier in the cookie `name`; None without one, UNSET if the client sent different ones."""
        ...


def try_load_session(request: HasSession, backend: SessionBackend, config: SessionConfig) -> bool:
    """Load the session that the request's cookie names if the store can answer without waiting.

    Return False if `load_session` must be awaited instead, also where sessions are loaded explicitly. A session is
    loaded only once, and without a cookie the store is not asked.
    """
    return request.micropie_session is not None or (
        not config.explicit and _try_to_open_session(request, backend, config)
    )


def _try_to_open_session(request: HasSession, backend: SessionBackend, config: SessionConfig) -> bool:
    if request.micropie_session is None:
        cookie = request.session_cookie(config.cookie)
        if cookie is UNSET:
            request.micropie_session = _refuse_to_choose()
        elif cookie is not None:
            request.micropie_session = SessionState.open_without_waiting(backend, cookie)
            return request.micropie_session is not None
    return True


def _refuse_to_choose() -> SessionState:
    """Return the session of a client that sent different identifiers: an empty one, with a warning in the log."""
    logging.getLogger("micropie").warning(
        "A client sent two session cookies with different values: neither is used, and neither is replaced "
        "before `regenerate_session()`"
    )
    state = SessionState()
    state.contested = True
    return state


async def load_session(request: HasSession, backend: SessionBackend, config: SessionConfig) -> None:
    """Load the session that the request's cookie names, as `try_load_session` does, and wait for the store.

    Raises HTTPError 503 when that takes longer than the limit.
    """
    if not _try_to_open_session(request, backend, config):
        cookie = request.session_cookie(config.cookie)
        if isinstance(cookie, str):
            request.micropie_session = await _await_store(SessionState.open(backend, cookie), request, config)


async def _await_store(call: Awaitable[T], request: HasSession, config: SessionConfig) -> T:
    """Return the result of a `call` of the store. If it takes too long, log that and raise HTTPError 503."""
    from .._utils.timeouts import wait_for

    try:
        return await wait_for(call, config.store_timeout)
    except TimeoutError as error:
        logging.getLogger("micropie").error(
            "Failed: the session store did not answer within %s s: %r",
            config.store_timeout,
            request.scope["path"],
            exc_info=error,
        )
        raise HTTPError(503, "The session store does not answer") from None


async def save_and_build_headers(
    request: HasSession, backend: SessionBackend, config: SessionConfig, chosen: str | None
) -> list[tuple[str, str]]:
    """Save the session and seal it. Return the headers that a handshake must add, for the client and for caches.

    `chosen` is the identifier that the app chose for the session, or None.
    """
    state = request.session_state
    if chosen is not None:
        state.choose_identifier(chosen)
    changes = state.freeze_changes()
    added: HeaderItems = ()
    if changes is not None:
        added = await save_session(request, backend, config, changes)
    state.sealed = True
    if chosen is not None:  # the client gets it even if nothing is stored yet
        return [*PRIVATE, build_identifier_header(request, config, chosen)]
    return list(added or choose_cache_headers(state))


def choose_cache_headers(state: SessionState) -> HeaderItems:
    """Return the headers about caches that a response must add if it leaves the session's cookie as it is."""
    if not state.touched:
        return ()
    return VARY if state.identifier is None and not state.lost else PRIVATE


async def save_session(
    request: HasSession, backend: SessionBackend, config: SessionConfig, changes: Frozen
) -> HeaderItems:
    """Save the session's `changes`, from `freeze_changes`. Return the headers that the response must add.

    Raises HTTPError 503 when that takes longer than the limit.
    """
    state = request.session_state
    identifier = await _await_store(state.save(backend, changes, config.timeout), request, config)
    if identifier is UNSET:
        return choose_cache_headers(state)
    return [*PRIVATE, build_identifier_header(request, config, identifier)]


def build_identifier_header(request: HasSession, config: SessionConfig, identifier: str | None) -> tuple[str, str]:
    """Return the Set-Cookie header that gives the client `identifier`, or with None removes its cookie."""
    secure = is_secure_cookie(request.scope.get("scheme", "http"), request.headers.get("host", ""))
    return build_session_cookie(config, identifier, secure=secure)


async def save_after_response(request: HasSession, backend: SessionBackend, config: SessionConfig) -> None:
    """Save what changed after the response had started.

    A session that began only then is lost, because its cookie can no longer be set. A warning is logged. Raises
    TimeoutError when the store takes longer than the limit.
    """
    from .._utils.timeouts import wait_for

    state = request.session_state
    state.sealed = True
    await wait_for(state.commit(backend, config.timeout), config.store_timeout)
    if state.identifier is None and state.touched and state.data and not state.lost:
        logging.getLogger("micropie").warning(
            "A session began in a stream, or after the response had started: its cookie can no longer be set. "
            "Begin a session before the response starts"
        )
