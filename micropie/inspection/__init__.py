"""This package describes apps as data: it lists their URLs, checks them, and explains what they do with a request.

Nothing here calls a handler. The commands `routes`, `check` and `explain` print the results.

- `url_list`: every URL of an app
- `type_text`: types, constraints and defaults as text
- `route_trace`: the candidates for a path, in the router's order
- `explain`: what an app would do with a request
- `checks`: the rules that find mistakes in an app
"""

from .checks import check

__all__ = ["check"]
