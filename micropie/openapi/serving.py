"""This module serves the documents, and a page that shows them, as URLs of the app that they describe.

They are ordinary routes, which are added to the user's own when the app is made. A request for another URL costs no
more than without them. Each document is made at the first request for it.

Swagger UI comes from disk, with the extra `docs`. Without the extra there is a page without JavaScript. The
Content-Security-Policy keeps the page from loading anything from another site.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from html import escape
from importlib import import_module
from pathlib import Path as FilePath
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from ..binding.signature_reader import read_signature
from ..errors import HTTPError, SetupProblem
from ..params import Path
from ..requests.request import Request
from ..routing.route import Route, make_route
from ..routing.table import Branch, Node
from .document import Documented, document
from .schemas import Json

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"

_SWAGGER_UI: Final[Mapping[str, str]] = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""The files of Swagger UI that the page needs, with their media types."""

_START_SCRIPT: Final = """\
SwaggerUIBundle({
  url: new URL("openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null
});
"""

_SWAGGER_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{base}/swagger-ui.css">
<link rel="icon" type="image/png" href="{base}/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document itself: <a href="{base}/openapi.json">openapi.json</a></noscript>
<script src="{base}/swagger-ui-bundle.js"></script>
<script src="{base}/start.js"></script>
</body>
</html>
"""

_DENY_ALL: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_POLICIES: Final[Mapping[bool, str]] = {
    # The script of Swagger UI sets styles, and its style sheet contains images as data: URLs.
    True: f"{_DENY_ALL}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'",
    False: f"{_DENY_ALL}; style-src 'self'",
}
"""The Content-Security-Policy (CSP3) of the page with Swagger UI and without: it loads from its own site only."""

_Reply = tuple[int, Any, list[tuple[str, str]]]


def add_pages(app: Documented, openapi_path: str | None, docs_path: str | None) -> list[SetupProblem]:
    """Add the routes of the documents and of the page to `app`, whose own routes exist already.

    With None for a path, its document or page is left out. The AsyncAPI document is beside the OpenAPI document.
    Returns a problem for each path that the app answers already. Raises ValueError for a path that is not valid.
    """
    pages = Pages(app, openapi_path, docs_path)
    pages_by_path: list[tuple[str, str, Callable[..., _Reply]]] = []
    if openapi_path is not None:
        pages_by_path.append(("openapi_path", openapi_path, pages.openapi))
        pages_by_path.append(("openapi_path", derive_asyncapi_path(openapi_path), pages.asyncapi))
    if docs_path is not None:
        pages_by_path.append(("docs_path", docs_path, pages.docs))
    problems = []
    for argument, path, handler in pages_by_path:
        segments = _split_path(argument, path)
        other = _find_other_route(app._trail[-1], segments)
        if other is None:
            _add_route(app._trail[-1], segments, _make_route(path, handler))
        else:
            remedy = f'Choose another path, as in {argument}="/api{path}", or pass {argument}=None'
            what = f"cannot serve {path}, which {other} answers already"
            problems.append(SetupProblem(f"{type(app).__name__}({argument}=…)", what, remedy))
    return problems


def derive_asyncapi_path(openapi_path: str) -> str:
    """Return the path of the AsyncAPI document: `asyncapi.json`, beside the OpenAPI document."""
    return openapi_path.rpartition("/")[0] + "/asyncapi.json"


class Pages:
    """The handlers of one app's documents and of its page."""

    def __init__(self, app: Documented, openapi_path: str | None, docs_path: str | None) -> None:
        self._app = app
        self._openapi_path = openapi_path or ""
        self._docs_path = docs_path or ""

    def openapi(self, request: Request) -> _Reply:
        """Return the OpenAPI document."""
        return self._serve_document(_find_prefix(request, self._openapi_path))

    def asyncapi(self) -> _Reply:
        """Return the AsyncAPI document."""
        return 200, msgspec.json.encode(self._asyncapi), [("Content-Type", JSON)]

    def docs(self, request: Request, file: Annotated[str, Path()] = "") -> _Reply:
        """Return the page, or a file that it needs. Raises HTTPError 404 for any other file."""
        prefix = _find_prefix(request, self._docs_path, file)
        if not file:
            return self._serve_page(prefix, quote(prefix + self._docs_path.rstrip("/")))
        if file == "openapi.json":
            return self._serve_document(prefix)
        if self._swagger_ui is not None and file in _SWAGGER_UI:
            return 200, self._swagger_ui / file, [("Content-Type", _SWAGGER_UI[file])]
        if self._swagger_ui is not None and file == "start.js":
            return 200, _START_SCRIPT, [("Content-Type", "text/javascript; charset=utf-8")]
        if self._swagger_ui is None and file == "style.css":
            from .html_page import STYLE

            return 200, STYLE, [("Content-Type", "text/css; charset=utf-8")]
        raise HTTPError(404)

    @cached_property
    def _openapi(self) -> Json:
        return document(self._app)

    @cached_property
    def _asyncapi(self) -> Json:
        from . import asyncapi

        return asyncapi.document(self._app)

    @cached_property
    def _swagger_ui(self) -> FilePath | None:
        """The folder with the files of Swagger UI; None without the extra."""
        try:
            bundle = import_module("swagger_ui_bundle")
        except ImportError:
            return None
        return FilePath(str(bundle.swagger_ui_path))

    def _serve_document(self, prefix: str) -> _Reply:
        """Return the document. Its `servers` name `prefix` if a proxy, or an app that holds this one, adds one."""
        servers = {"servers": [{"url": quote(prefix)}]} if prefix else {}
        return 200, msgspec.json.encode({**self._openapi, **servers}), [("Content-Type", JSON)]

    def _serve_page(self, prefix: str, base: str) -> _Reply:
        title = self._openapi["info"]["title"]
        if self._swagger_ui is not None:
            text = _SWAGGER_PAGE.format(title=escape(title), base=escape(base))
        else:
            from .html_page import render_page

            text = render_page(self._openapi, prefix, base)
        policy = _POLICIES[self._swagger_ui is not None]
        return 200, text, [("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff")]


def _find_prefix(request: Request, path: str, file: str = "") -> str:
    """Return the part of the request's path that comes before `path` and `file`."""
    request_path, root = request.scope["path"], request.scope.get("root_path", "").rstrip("/")
    if not f"{request_path}/".startswith(f"{root}/"):  # some servers strip the root, against the ASGI specification
        request_path = root + request_path
    segments = request_path.rstrip("/").split("/")
    # Segments are counted, not compared, since `/a-b` is also `/a_b`.
    own = path.rstrip("/").count("/") + bool(file)
    return "/".join(segments[: len(segments) - own])


# --- routes ---------------------------------------------------------------------------------------------------------


def _split_path(argument: str, path: str) -> Sequence[str]:
    segments = path[1:].removesuffix("/").split("/") if path != "/" else []
    if not path.startswith("/") or not all(segments) or "{" in path:
        raise ValueError(
            f"{argument}={path!r} is not a path: expected one that starts with '/' and has no empty or {{variable}} "
            f"segments, as in '/api/docs'"
        )
    return segments


def _make_route(path: str, handler: Callable[..., _Reply]) -> Route:
    name = f"{__name__}.{Pages.__name__}.{handler.__name__}"  # ty: ignore[missing-attribute]  # a method has a name
    signature, _ = read_signature(handler, name, owner=Pages)
    return make_route(handler, signature, path=path, name=name, methods=frozenset({"GET"}))


def _find_other_route(node: Node, segments: Sequence[str]) -> str | None:
    """Return the name of the user's handler, Resource or mount that answers `segments`; None if there is none."""
    if node.mounts and node.find_mount(segments, 0) is not None:
        return "a mounted app"
    name = segments[0] if segments else "index"
    if len(segments) <= 1 and name in node.http.named:
        return node.http.named[name].name
    if segments and name in node.children:
        return type(node.children[name].owner).__name__
    branch = node.http.templates.at(segments) if node.http.templates is not None else None
    return next(iter(branch.routes.values())).name if branch is not None and branch.routes else None


def _add_route(node: Node, segments: Sequence[str], route: Route) -> None:
    """Put `route` into the table like a route of the user's: one segment is a name, several are a template."""
    if len(segments) <= 1:
        node.http.named["".join(segments) or "index"] = route
        return
    node.http.templates = node.http.templates or Branch()
    templates = (segments, (*segments, "{file}")) if route.path_values else (segments,)
    for template in templates:
        node.http.templates.grow(template).routes["GET"] = route
