"""This package owns the request that a handler sees, and the reading of its body and headers.

- `request`: `Request` and `WebSocketRequest`, with all that a handler or a middleware may read
- `early_request`: a request while early middleware runs
- `context`: the request that is being handled, in a context variable
- `headers`: header fields by name; the body that Content-Type and Content-Length announce
- `cookies`: the pairs of a Cookie header
- `body_stream`: a body as it arrives, under limits of size and time
- `body`: a body in memory, and the JSON in it
- `urlencoded`: query strings and urlencoded forms as names and values
- `json_lines`: a JSON Lines body as values, line by line
"""

from .headers import Headers
from .request import Request, WebSocketRequest

__all__ = ["Headers", "Request", "WebSocketRequest"]
