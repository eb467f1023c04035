"""Sessions: what a store must do, the one kept in memory, and what a request does with its own.

`base` is the contract of a store, `memory` (and every further file like it) one store, `state` one request's
session and its cookie. No store knows of another, and none of them knows of requests.
"""

from .backend import SessionBackend
from .memory import InMemorySessionBackend
from .session_cookie import cookie_header, is_secure
from .state import SessionState, is_identifier, new_identifier

__all__ = [
    "InMemorySessionBackend",
    "SessionBackend",
    "SessionState",
    "cookie_header",
    "is_identifier",
    "is_secure",
    "new_identifier",
]
