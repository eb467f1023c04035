"""micropie: the typed Python web framework.

Subclass `App`; every public method is a URL; its signature says what a request must contain.

The way of a request, and where to read on: `app` takes it from the server, `routing` finds the route, `binders` calls
the method with what `signatures` read from it and `converters` made of the request, `responses` sends what came back.
`discovery` builds the routes beforehand, `explaining` says everything that was wrong, `connecting` does the same for a
WebSocket. docs/architecture.md has the whole map. This module only hands the public names on.
"""

from .app import App, Resource
from .config import SESSION_TIMEOUT, Limits, SessionConfig
from .errors import (
    BadRequest,
    HTTPError,
    Invalid,
    MissingDependency,
    ResponseError,
    SetupError,
    SetupProblem,
    UploadError,
)
from .forms.form_result import FormResult
from .middleware import CloseDict, HttpMiddleware, ResponseDict, WebSocketMiddleware
from .params import Body, Cookie, Depends, File, Form, Header, Path, Query, Session
from .requests.request import Request, WebSocketRequest
from .responses.server_sent_events import ServerSentEvent
from .routing.decorator import route
from .routing.route import Route
from .sentinels import ELSEWHERE
from .sessions import InMemorySessionBackend, SessionBackend
from .uploads.upload_file import UploadFile
from .websockets.connection import WebSocket
from .websockets.messages import InvalidMessage
from .websockets.protocol import ConnectionClosed

__version__ = "1.0.0.dev0"

__all__ = [
    "ELSEWHERE",
    "SESSION_TIMEOUT",
    "App",
    "BadRequest",
    "Body",
    "CloseDict",
    "ConnectionClosed",
    "Cookie",
    "Depends",
    "File",
    "Form",
    "FormResult",
    "HTTPError",
    "Header",
    "HttpMiddleware",
    "InMemorySessionBackend",
    "Invalid",
    "InvalidMessage",
    "Limits",
    "MissingDependency",
    "Path",
    "Query",
    "Request",
    "Resource",
    "ResponseDict",
    "ResponseError",
    "Route",
    "ServerSentEvent",
    "Session",
    "SessionBackend",
    "SessionConfig",
    "SetupError",
    "SetupProblem",
    "UploadError",
    "UploadFile",
    "WebSocket",
    "WebSocketMiddleware",
    "WebSocketRequest",
    "route",
]
