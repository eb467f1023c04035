"""This module holds what an App and a Resource give their handlers, and `Resource` itself."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from ..requests.context import get_current_request
from ..requests.request import Request
from ..routing.discovery import Tree
from ..types import HeaderItems

P = ParamSpec("P")
Owner = TypeVar("Owner", bound=Tree)


class HandlerOwner(Tree):
    """An App or a Resource: an object whose methods are handlers."""

    @property
    def request(self) -> Request:
        """The current request. Raises RuntimeError outside of one."""
        request: Request = get_current_request()
        return request

    @overload
    def url(self, handler: Callable[Concatenate[Owner, P], object], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    @overload
    def url(self, handler: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> str: ...
    def url(self, handler: Any, /, *args: Any, **kwargs: Any) -> str:
        """Return the URL at which `handler` is called with these arguments: `app.url(Api.user, 3)` is `"/user/3"`.

        `handler` is a method of an object, or of a class of which the app holds one object only. Arguments that equal
        their defaults are left out. Pass `ELSEWHERE` for a parameter that a URL does not carry (a body, a header, a
        session value). During a request the URL begins with the request's `root_path`.

        Raises LookupError for a handler that the app does not hold, or holds in several places, TypeError for arguments
        that the handler does not take, and ValueError for a value that the server would not read back from the URL.
        """
        from ..routing.reverse import build_url

        return build_url(self, handler, args, kwargs)

    def _redirect(
        self, location: str, extra_headers: HeaderItems | None = None, *, external: bool = False
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """Return a redirection (302) to `location`, with `extra_headers`, for a handler to return.

        Raises ValueError for a location that leads elsewhere than it seems (`//host`, `javascript:`) unless `external`.
        """
        from ..responses.redirects import build_redirect

        return build_redirect(location, extra_headers or (), external=external)


class Resource(HandlerOwner):
    """A thing at one URL: its methods `get`, `post`, `put`, `patch` and `delete` respond to the HTTP methods.

    An App or another Resource holds it as an attribute, and its URL continues theirs. Its other public methods are URLs
    below its own, as an App's are.
    """

    _verbs = True
