"""This package holds `App` and takes requests and connections through it.

- `application`: what a user subclasses and configures, and the ASGI entry points
- `resource`: `Resource`, and what handlers of an App and of a Resource have at hand
- `http`: the way of one HTTP request: middleware, route, handler, response
- `websocket`: the way of one WebSocket connection
- `error_handling`: an exception becomes a reply
- `settings`: the limits and session settings of nested apps
- `overrides`: the dependencies that tests put in place of others
- `mounting`: other ASGI applications below a path
- `lifespan`: start and stop
- `templates`: Jinja2 templates
- `traceback_page`: the page that debug mode shows for an exception
"""

from .application import App
from .resource import Resource

__all__ = ["App", "Resource"]
