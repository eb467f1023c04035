"""One request's session: loaded by its cookie, handed to the handler as a plain dict, written back if changed.

The strategy: the first look at the data freezes it (see `frozen.py`), the end of the request compares it with that.
That costs a microsecond at most and asks nothing of the handler. Only when something changed is it worked out which
keys did, and only those are merged into the store, so that requests side by side do not undo each other.

It owns when a session begins, ends and moves, and how its cookie reads. It does not know what a store is made of.
"""
# ruff: noqa: ASYNC109  # `timeout` is how long a session lives, not how long a call may take

from collections.abc import Mapping
from typing import Any, Final, Protocol

from .._utils.lazy_imports import secrets
from ..sentinels import UNSET, Unset
from .backend import ImmediateStore, SessionBackend
from .snapshot import NOTHING, Frozen, Whole, compare, freeze, is_unchanged, thaw

_URL_SAFE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def generate_identifier() -> str:
    """A new session identifier: 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def is_identifier(text: str) -> bool:
    """Whether `text` is shaped like an identifier: 16 to 128 URL-safe characters, so that older ones pass too."""
    return 16 <= len(text) <= 128 and text.isascii() and not text.encode().translate(None, _URL_SAFE)


class KeptValue(Protocol):
    """A value that was read from a session's data, and that a handler may change."""

    def write(self, data: dict[str, Any], /) -> None:
        """Put into `data` what has changed in the value. Raises TypeError for what cannot be stored."""
        ...


class SessionState:
    """The session of one request. Without arguments a fresh one, which no store knows of yet.

    `identifier` is what the store knows the session by, or None. `touched` says whether anybody looked at
    `data`: then the response varies by its cookie.
    """

    def __init__(self, identifier: str | None = None, data: Mapping[str, Any] | None = None) -> None:
        self.identifier = identifier
        # Copied, since a store may have handed out the very dictionary that it keeps.
        self._data: dict[str, Any] = dict(data) if data else {}
        self.touched = False
        self.lost = False
        """Whether somebody else ended the session while this request had it."""
        self.sealed = False
        """Whether the response has started, so that no cookie can be set any more."""
        self.kept: tuple[KeptValue, ...] = ()
        """What handlers have of the data besides the data itself."""
        self.unsaved: Frozen | None = None
        """What `settle` found to be saved, and did not save."""
        self._saved: Frozen = NOTHING
        self._rotating = False
        self._store: ImmediateStore | None = None
        """What it was opened from, if that need not be waited for."""
        self._unread: Whole | None = None
        """The data, as long as nobody looked at it and its store keeps it frozen."""

    @classmethod
    async def open(cls, backend: SessionBackend, cookie: str | None) -> "SessionState":
        """The session that `cookie` names, or a fresh one.

        What cannot be an identifier names none, whatever a store keeps under it. An identifier that the store does not
        know is not taken over: whoever planted it would know it too.
        """
        opened = cls.open_without_waiting(backend, cookie)
        if opened is None and cookie is not None:
            data = await backend.load(cookie)
            opened = cls(cookie, data) if data else None
        return opened or cls()

    @classmethod
    def open_without_waiting(cls, backend: SessionBackend, cookie: str | None) -> "SessionState | None":
        """As `open` does, without waiting; None where the store has to be waited for."""
        store = backend.without_waiting()
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
        """The session's data: an ordinary dict, to be changed at will."""
        if not self.touched:
            self.touched = True
            if self._unread is None:
                self._saved = freeze(self._data)
            else:
                self._saved = self._unread
                self._data = thaw(self._unread)
        return self._data

    def replace(self, data: Mapping[str, Any]) -> None:
        """Put `data` in place of all there is."""
        replacement = dict(data)
        _ = self.data  # the first look: what was there is what the new data is compared with
        self._data = replacement

    def regenerate(self) -> None:
        """Give the session a new identifier when it is committed, and end the old one.

        To be done at every login: then an identifier that somebody planted before it is worth nothing after.
        Raises RuntimeError once the session is `sealed`.
        """
        if self.sealed:
            raise RuntimeError(
                "The response's headers are settled: it streams, or has started. No new identifier can be set"
            )
        _ = self.data
        self._rotating = True

    def freeze_changes(self) -> Frozen | None:
        """All of the data as `save` wants it; None when there is nothing to save.

        Raises TypeError when a value in `kept` cannot be stored. A session that begins when `sealed` is not saved:
        nobody would ever know its identifier.
        """
        for value in self.kept:
            value.write(self.data)
        if not self.touched or self.lost or (self.sealed and self.identifier is None):
            return None
        if self._rotating:
            return freeze(self._data)
        if is_unchanged(self._saved, self._data):
            return None
        now = freeze(self._data)
        # Values frozen one by one are left to `compare`: their own == may do anything.
        return None if isinstance(now, bytes) and now == self._saved else now

    def settle(self, timeout: int) -> bool:
        """Finish the session without waiting: return True if nothing changed, or if the store took the change at once.

        The session is then `sealed`, and what was saved lives for `timeout` seconds. After False the caller must save
        `unsaved`, or what `freeze_changes` returns.
        """
        try:
            now = self.freeze_changes()
            if now is not None:
                if not self._swapped(now, timeout):
                    self.unsaved = now
                    return False
                self._saved = now
        except Exception:  # noqa: BLE001  # it will be raised again for somebody who can answer
            return False
        self.sealed = True
        return True

    async def commit(self, backend: SessionBackend, timeout: int) -> str | Unset | None:
        """Save what changed since the session was opened or last committed: `freeze_changes`, then `save`."""
        now = self.freeze_changes()
        return UNSET if now is None else await self.save(backend, now, timeout)

    async def save(self, backend: SessionBackend, now: Frozen, timeout: int) -> str | Unset | None:
        """Save `now`, which is pending, for `timeout` seconds.

        Returns what the cookie should become: a new identifier, None when the session has ended, UNSET when the
        cookie is right as it is. May be called again after a stream. Raises TypeError when a value cannot be
        stored, and whatever the store raises. Raising or cancelled, it leaves the stored session whole.
        """
        self.unsaved = None
        cookie = UNSET if self._swapped(now, timeout) else await self._write(backend, now, timeout)
        self._saved = now
        self._rotating = False
        return cookie

    async def _write(self, backend: SessionBackend, now: Frozen, timeout: int) -> str | Unset | None:
        """Begin, end, move or change the stored session; which of them follows from what there is."""
        identifier = self.identifier
        if not self._data:
            if identifier is None:
                return UNSET
            await backend.discard(identifier, timeout)
            self.identifier = None
            return None
        values, changed, removed = compare(self._saved, now, self._data)
        if identifier is None:
            successor = generate_identifier()
            await backend.save(successor, values, timeout)
        elif self._rotating:
            successor = generate_identifier()
            if not await backend.rotate(identifier, successor, changed, removed, timeout):
                return self._lose()
        else:
            # Other bytes may yet be the same values: a key that was taken out and put back.
            if (changed or removed) and not await backend.merge(identifier, changed, removed, timeout):
                return self._lose()
            return UNSET
        self.identifier = successor
        return successor

    def _swapped(self, now: Frozen, timeout: int) -> bool:
        """Whether the store took all of it at once: other scalars, and nobody had saved any in between."""
        before, store = self._saved, self._store
        return (
            store is not None
            and self.identifier is not None
            and not self._rotating
            and type(before) is dict
            and type(now) is dict
            and now != before  # equal ones may be of other types, which `compare` tells
            and store.compare_and_swap(self.identifier, before, now, timeout)
        )

    def _lose(self) -> Unset:
        """Somebody else ended the session: nothing that this request still holds of it may bring it back.

        The cookie stays as it is: it may already be that of a login beside this request, and a dead one harms nobody.
        """
        self.identifier = None
        self.lost = True
        return UNSET
