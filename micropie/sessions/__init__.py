"""This package keeps sessions: the stores, one request's session, and its cookie. It imports nothing from requests.

- `backend`: the contract of a session store, and the merging that every store inherits
- `memory`: the store in this process's memory
- `state`: one request's session, from its cookie to the commit
- `snapshot`: the data of a session at one moment, and what changed since
- `typed_session`: values that a handler reads from a session by a type, and how their changes are saved
- `session_cookie`: the Set-Cookie header that carries the identifier
- `lifecycle`: when a request's session is loaded and saved, and which headers that adds to the response
"""

from .backend import SessionBackend
from .memory import InMemorySessionBackend

__all__ = ["InMemorySessionBackend", "SessionBackend"]
