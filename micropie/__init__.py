"""This package is micropie, the typed Python web framework.

Subclass `App`: every public method is a URL, and its signature says what a request must contain.

A request goes through the packages in this order: `app` takes it from the server, `routing` finds the handler,
`binding` turns the request into arguments with the help of `conversion`, and `responses` sends the result. Each package
says in its docstring what its modules do, and docs/architecture.md is the map. This module exports the public names.
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
