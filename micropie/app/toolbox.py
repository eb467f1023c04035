"""What handlers have at hand: the current request, redirects, templates, and the documented ways to do things by hand.

`Handlers` is what every App and Resource has; `Toolbox` is an App's, as its templates and its limits are.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from .._utils.lazy_imports import asyncio
from .._utils.worker_threads import WorkerThreads
from ..config import Limits
from ..requests.context import get_current_request, request_variable
from ..requests.cookies import parse_cookies
from ..requests.request import Request
from ..responses.redirects import build_redirect
from ..responses.send import send_response
from ..routing.discovery import Tree
from ..types import HeaderItems, Send
from ..uploads.multipart import parse_multipart
from ..websockets.connection import WebSocket
from .templates import Templates

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")
P = ParamSpec("P")
Owner = TypeVar("Owner", bound=Tree)


class Handlers(Tree):
    """What handlers of an App and of a Resource have."""

    @property
    def request(self) -> Request:
        """The request that is being answered. Raises RuntimeError outside of one."""
        return get_current_request()

    @overload
    def url(self, handler: Callable[Concatenate[Owner, P], object], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    @overload
    def url(self, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def url(self, handler: Any, /, *args: Any, **kwargs: Any) -> str:
        """The URL at which `handler` is called with these arguments: `app.url(Api.user, 3)` is `"/user/3"`.

        `handler` is a method of a class or of an object; of the class, when only one object in the app has it. Defaults
        are left out, and so is what no URL carries: pass `ELSEWHERE` for a parameter of that kind. While a request is
        answered the URL begins with its `root_path`. Raises LookupError for a handler that is nowhere in the app, or at
        several places, TypeError for arguments that it does not take, ValueError for a value that would not come back.
        """
        from ..routing.reverse import build_url

        return build_url(self, handler, args, kwargs)

    def _redirect(
        self, location: str, extra_headers: HeaderItems | None = None, *, external: bool = False
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """A redirection (302) to `location`, to be returned by a handler; `extra_headers` go with it.

        Raises ValueError for what leads elsewhere than it seems (`//host`, `javascript:`), unless `external`.
        """
        return build_redirect(location, extra_headers or (), external=external)


class Toolbox(Handlers):
    """What handlers of an App have."""

    limits: Limits
    _templates: Templates
    _workers: WorkerThreads

    @property
    def env(self) -> "jinja2.Environment":
        """The Jinja2 environment of `_render_template`. Raises MissingDependency without Jinja2."""
        return self._templates.env

    @env.setter
    def env(self, env: "jinja2.Environment") -> None:
        self._templates.env = env

    async def _render_template(self, name: str, /, **context: object) -> str:
        """The template `name`, rendered with `context`; values are escaped in markup.

        Raises jinja2.TemplateNotFound, and MissingDependency without Jinja2.
        """
        return await self._templates.render(name, context)

    async def _run_sync(self, function: Callable[[], T]) -> T:
        """Run what blocks in one of the app's worker threads, with the context variables of the caller."""
        return await self._workers.run(function, self.limits.threads)

    async def _send_response(
        self, send: Send, status_code: int, body: object, extra_headers: HeaderItems | None = None
    ) -> None:
        """Send a response by hand. Raises ResponseError for what cannot be sent."""
        request = request_variable.get(None) or Request({"type": "http", "method": "GET", "headers": []})
        headers = extra_headers or ()
        await send_response(request.scope, request.receive, send, status_code, body, headers, run_sync=self._run_sync)

    async def _send_websocket_close(self, send: Send, code: int, reason: str) -> None:
        """Close a WebSocket by hand, or refuse one that was not accepted."""
        nobody = Request({"type": "websocket", "headers": []})
        await WebSocket(nobody.receive, send).close(code, reason)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """The names and values of a Cookie header; of several with one name the first."""
        return dict(reversed(parse_cookies(cookie_header)))

    async def _parse_multipart(
        self, reader: "asyncio.StreamReader", boundary: bytes
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """Parse multipart/form-data from `reader`: the text fields, and the files as `Request.files` has them.

        Raises UploadError for a malformed or truncated body, MissingDependency without the package `multipart`.
        """
        return await parse_multipart(reader, boundary, self.limits)
