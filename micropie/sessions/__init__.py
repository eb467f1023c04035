"""Sessions: what a store must do, the one kept in memory, and what a request does with its own.

`base` is the contract of a store, `memory` (and every further file like it) one store, `state` one request's
session and its cookie. No store knows of another, and none of them knows of requests.
"""

from .backend import SessionBackend
from .memory import InMemorySessionBackend
from .session_cookie import build_session_cookie, is_secure_cookie
from .state import SessionState, generate_identifier, is_identifier

__all__ = [
    "InMemorySessionBackend",
    "SessionBackend",
    "SessionState",
    "build_session_cookie",
    "generate_identifier",
    "is_identifier",
    "is_secure_cookie",
]
