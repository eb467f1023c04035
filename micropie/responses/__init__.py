"""This package turns what handlers return, and errors, into ASGI responses.

- `handler_results`: splits a handler's result into status, body and headers
- `send`: sends any body; `build_messages` is the common case
- `encoding`: values as bytes, text or JSON
- `headers`: headers as bytes, checked
- `cache_headers`: responses that depend on a session, kept out of shared caches
- `streaming`: generators, chunk by chunk, until the client leaves
- `server_sent_events`: `ServerSentEvent`
- `files`: files, whole or in part
- `etags`: entity tags, modification times and preconditions
- `ranges`: the range of bytes that a request asks for
- `redirects`: redirects to locations that are safe to follow
- `error_responses`: errors as plain text or problem details
"""

from .server_sent_events import ServerSentEvent

__all__ = ["ServerSentEvent"]
