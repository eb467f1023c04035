"""This package calls the methods of an App over HTTP, with the types of the methods (the extra `client`).

- `client`: `Client`, which sends a call as a request, and `Stream`, a response that streams
- `request_body`: the body of a request, and `upload`, a file as an argument
- `decode_response`: a response becomes the value that the handler returned
- `errors`: `CallError` and `UnexpectedResponse`
"""

from ..sentinels import ELSEWHERE
from .client import Client, Stream
from .errors import CallError, UnexpectedResponse
from .request_body import upload

__all__ = ["ELSEWHERE", "CallError", "Client", "Stream", "UnexpectedResponse", "upload"]
