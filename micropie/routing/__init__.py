"""This package owns the way from a path to a handler, and back.

- `decorator`: `@route` and the reading of its options
- `discovery`: which attributes of an App or Resource become URLs, and the building of their routes
- `route`: a route, with everything that could be decided about its handler beforehand
- `table`: the tables of routes, one node for each App or Resource
- `match`: the route for a path, and the order of precedence
- `methods`: the HTTP methods and the `Allow` field
- `paths`: a path's segments, percent-decoded
- `reverse`: the URL of a handler
- `call_arguments`: the arguments of a call, by parameter
- `request_from_call`: the request that calls a handler with given arguments
"""

from .route import Route

# After the import of the submodule `route`, which would take the decorator's name.
from .decorator import route  # isort: skip

__all__ = ["Route", "route"]
