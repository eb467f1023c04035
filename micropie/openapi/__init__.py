"""This package documents an app: OpenAPI 3.1 for its HTTP handlers, AsyncAPI 3.0 for its WebSockets, and a page.

It reads the routes and the `Parameter`s that bind requests, so that nothing is declared twice. An app without documents
does not load it.

- `document`: the OpenAPI document of an app
- `asyncapi`: the AsyncAPI document of an app
- `paths`: the URLs and methods at which a route is documented
- `inputs`: a handler's parameters become OpenAPI parameters, a request body and security requirements
- `outputs`: a return annotation becomes responses
- `schemas`: a type becomes JSON Schema, and classes become components with names
- `docstrings`: a docstring becomes a summary, a description, and texts about the parameters and the result
- `serving`: the documents as URLs of the app, with Swagger UI if it is installed
- `html_page`: the page without JavaScript
"""

from .document import document

__all__ = ["document"]
