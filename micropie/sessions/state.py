"""This module holds one request's session: opened by its cookie, given to the handler as a dict, saved if it changed.

The first access to the data takes a snapshot (see `snapshot.py`), and the end of the request compares the data with
it. That costs a microsecond at most and asks nothing of the handler. Only if something changed are the changed keys
determined, and only those are merged into the store, so that concurrent requests do not undo each other.

The module decides when a session begins, ends and gets a new identifier. How a store keeps its data, and how the
cookie reads, are left to other modules.
"""
# ruff: noqa: ASYNC109  # `timeout` is how long a session lives, not how long a call may take

from collections.abc import Mapping
from typing import Any, Final, Protocol

from .._utils.lazy_imports import secrets
from ..sentinels import EMPTY, UNSET, Unset
from .backend import ImmediateStore, SessionBackend
from .snapshot import NOTHING, Frozen, Whole, compare, freeze, is_unchanged, thaw

_URL_SAFE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def generate_identifier() -> str:
    """Return a new session identifier: 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def is_identifier(text: str) -> bool:
    """Return True if `text` has 16 to 128 URL-safe characters, a range that also admits identifiers of older stores."""
    return 16 <= len(text) <= 128 and text.isascii() and not text.encode().translate(None, _URL_SAFE)


_CHOSEN: Final = 22
"""Characters of the shortest identifier that an app may choose: 128 bits, at 6 bits each."""


def require_strong_identifier(text: str) -> None:
    """Raise ValueError unless `text`, which an app chose, is an identifier that could hold 128 random bits."""
    if len(text) < _CHOSEN or not is_identifier(text):
        raise ValueError(
            f"A session identifier must be {_CHOSEN} to 128 characters of A-Z, a-z, 0-9, - and _, too many to guess: "
            "use secrets.token_urlsafe()"
        )


class KeptValue(Protocol):
    """A value that was read from a session's data, and that a handler may change."""

    def write(self, data: dict[str, Any], /) -> None:
        """Write into `data` what has changed in the value. Raises TypeError for what cannot be stored."""
        ...


class SessionState:
    """A session in one request. Without arguments it is a new one, which is not in any store yet.

    `identifier` is the session's key in the store, or None before it has one. `touched` is True once `data` was read:
    then the response varies by its cookie.
    """

    def __init__(self, identifier: str | None = None, data: Mapping[str, Any] | None = None) -> None:
        self.identifier = identifier
        # Copied, because a store may have returned the very dictionary that it keeps.
        self._data: dict[str, Any] = dict(data) if data else {}
        self.touched = False
        self.lost = False
        """True if another request ended the session while this request used it."""
        self.sealed = False
        """True once the response has started, so that its cookie can no longer be set."""
        self.contested = False
        """True if the client sent different identifiers. Only `regenerate` then begins a session, and sets a cookie."""
        self.kept: tuple[KeptValue, ...] = ()
        """The values that handlers hold besides `data` itself, whose changes are part of the session's."""
        self.unsaved: Frozen | None = None
        """The snapshot that `settle` could not save without waiting."""
        self._saved: Frozen = NOTHING
        self._rotating = False
        self._chosen: str | None = None
        """The identifier that the app chose for the session."""
        self._store: ImmediateStore | None = None
        """The store that opened the session, if it never waits."""
        self._unread: Whole | None = None
        """The store's snapshot, until `data` is first read."""

    @classmethod
    async def open(cls, backend: SessionBackend, cookie: str | None) -> "SessionState":
        """Return the session that `cookie` names, or a new one.

        Text that is not shaped like an identifier opens no session, whatever a store keeps under it. An identifier that
        is not in the store is not adopted: an attacker may have planted it, and would know it.
        """
        opened = cls.open_without_waiting(backend, cookie)
        if opened is None and cookie is not None:
            data = await backend.load(cookie)
            opened = cls(cookie, data) if data else None
        return opened or cls()

    @classmethod
    def open_without_waiting(cls, backend: SessionBackend, cookie: str | None) -> "SessionState | None":
        """Return the session as `open` does, but without waiting; None if the store must be awaited."""
        store = backend.get_immediate_store()
        if store is None:
            return None if cookie is not None and is_identifier(cookie) else cls()
        frozen = store.load_frozen(cookie) if cookie is not None else None
        if frozen is None or cookie is None or not is_identifier(cookie):
            return cls()
        opened = cls(cookie)
        opened._unread = frozen
        opened._store = store
        return opened

    @property
    def data(self) -> dict[str, Any]:
        """The session's data: an ordinary dict that the handler may change."""
        if not self.touched:
            self.touched = True
            if self._unread is None:
                self._saved = freeze(self._data)
            else:
                self._saved = self._unread
                self._data = thaw(self._unread)
        return self._data

    @property
    def params(self) -> Mapping[str, Any]:
        """The data, as a binder reads it."""
        return self.data

    def replace(self, data: Mapping[str, Any]) -> None:
        """Replace all of the session's data by `data`."""
        replacement = dict(data)
        _ = self.data  # the first access takes the snapshot that the new data is compared with
        self._data = replacement

    def regenerate(self) -> None:
        """Give the session a new identifier when it is committed, and end the old one.

        Call it at every login: an identifier that an attacker planted before the login is then worthless after it.
        Raises RuntimeError once the session is `sealed`.
        """
        if self.sealed:
            raise RuntimeError(
                "The response's headers are settled, because it streams or has started: the session cannot get a new "
                "identifier. Call `regenerate_session()` before the response starts"
            )
        _ = self.data
        self._rotating = True

    def choose_identifier(self, identifier: str) -> None:
        """Keep the session under `identifier`, whether it is stored already, changed later, or begins later."""
        self._chosen = identifier
        if self.identifier not in (None, identifier):
            self.regenerate()

    def freeze_changes(self) -> Frozen | None:
        """Return the data as a snapshot for `save`, or None if there is nothing to save.

        A session that begins after it was `sealed` is not saved, because the client would never get its identifier. Nor
        is one that is `contested`, because its cookie would replace that of the client's own session. Raises TypeError
        when a value in `kept` cannot be stored.
        """
        for value in self.kept:
            value.write(self.data)
        if not self.touched or self.lost or (self.identifier is None and not self._can_begin()):
            return None
        if self._rotating:
            return freeze(self._data)
        if is_unchanged(self._saved, self._data):
            return None
        now = freeze(self._data)
        # Values that were frozen one by one are left to `compare`, because their own `__eq__` may do anything.
        return None if isinstance(now, bytes) and now == self._saved else now

    def _can_begin(self) -> bool:
        """Return True if the client can still get the identifier of a session that is not in any store yet."""
        return self._chosen is not None or (not self.sealed and (self._rotating or not self.contested))

    def settle(self, timeout: int) -> bool:
        """Finish the session without waiting: return True if nothing changed, or if the store took the change at once.

        The session is then `sealed`, and what was saved lives for `timeout` seconds. After False the caller must save
        `unsaved`, or what `freeze_changes` returns.
        """
        try:
            now = self.freeze_changes()
            if now is not None:
                if not self._try_swap(now, timeout):
                    self.unsaved = now
                    return False
                self._saved = now
        except Exception:  # noqa: BLE001  # saving again raises it again, where the caller can respond to it
            return False
        self.sealed = True
        return True

    async def commit(self, backend: SessionBackend, timeout: int) -> str | Unset | None:
        """Save what changed since the session was opened or last committed. Return and raise what `save` does."""
        now = self.freeze_changes()
        return UNSET if now is None else await self.save(backend, now, timeout)

    async def save(self, backend: SessionBackend, now: Frozen, timeout: int) -> str | Unset | None:
        """Save `now`, the result of `freeze_changes`, for `timeout` seconds.

        Return what the cookie must become: a new identifier, None if the session has ended, UNSET if the cookie is
        right as it is. It may be called again after a stream. Raises TypeError when a value cannot be stored, and
        whatever the store raises. A call that raises or is cancelled leaves the stored session whole.
        """
        self.unsaved = None
        cookie = UNSET if self._try_swap(now, timeout) else await self._write(backend, now, timeout)
        self._saved = now
        self._rotating = False
        return cookie

    async def _write(self, backend: SessionBackend, now: Frozen, timeout: int) -> str | Unset | None:
        """Begin, end, move or change the stored session, whichever the data and the identifier call for."""
        identifier = self.identifier
        if not self._data:
            if identifier is None:
                return UNSET
            await backend.discard(identifier, timeout)
            self.identifier = None
            return None
        values, changed, removed = compare(self._saved, now, self._data)
        if identifier is None:
            successor = self._chosen or generate_identifier()
            # The app may have chosen the identifier of a session that exists, which keeps its other keys.
            if self._chosen is None or not await backend.merge(successor, changed, removed, timeout):
                await backend.save(successor, values, timeout)
        elif self._rotating:
            successor = self._chosen or generate_identifier()
            if not await backend.rotate(identifier, successor, changed, removed, timeout):
                return self._mark_lost()
        else:
            # Different bytes may still be the same values: a key that was removed and put back.
            if (changed or removed) and not await backend.merge(identifier, changed, removed, timeout):
                return self._mark_lost()
            return UNSET
        self.identifier = successor
        return successor

    def _try_swap(self, now: Frozen, timeout: int) -> bool:
        """Store `now` without waiting if it holds scalars alone and no other request saved the session meanwhile.

        Return True if it was stored.
        """
        before, store = self._saved, self._store
        return (
            store is not None
            and self.identifier is not None
            and not self._rotating
            and type(before) is dict
            and type(now) is dict
            and now != before  # equal values may differ in type, which `compare` finds
            and store.compare_and_swap(self.identifier, before, now, timeout)
        )

    def _mark_lost(self) -> Unset:
        """Mark the session as ended by another request, so that nothing this request still holds restores it.

        The cookie stays as it is. It may already belong to a login beside this request, and a dead one does no harm.
        """
        self.identifier = None
        self.lost = True
        return UNSET


class UnloadedSession(SessionState):
    """A stand-in for a session that was not loaded. Whatever needs its data raises RuntimeError, and it has none."""

    @property
    def data(self) -> dict[str, Any]:
        """The session's data, which is not there."""
        raise RuntimeError("The session is not loaded here. Write `await request.load_session()` first")

    @property
    def params(self) -> Mapping[str, Any]:
        """No data: an unmarked parameter does not fall back to a session that is not loaded."""
        return EMPTY
