"""What documents an app: OpenAPI 3.1 for its HTTP handlers, AsyncAPI 3.0 for its WebSockets, and pages that show it.

Everything is read from the routes and the `Parameter`s that binding reads; nothing is declared twice, and nothing here
is loaded by an app that asks for none of it.

| room | its one responsibility |
|---|---|
| `document.py` | an app → its OpenAPI document |
| `asyncapi.py` | an app → its AsyncAPI document |
| `inputs.py` | a handler's parameters → parameters, request body, security |
| `outputs.py` | a return annotation → responses |
| `paths.py` | which URLs and methods a route is documented at |
| `schemas.py` | msgspec's description of a type → JSON Schema; the names of components |
| `docstrings.py` | a docstring → summary, description, what it says of each parameter |
| `serving.py`, `page.py` | the documents as URLs of the app; Swagger UI, or a page without JavaScript |
"""

from .document import document

__all__ = ["document"]
