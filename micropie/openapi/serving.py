"""The documents and the page that shows them, as URLs of the app they document.

They are ordinary routes, put beside the user's own when the app is made, so a request for anything else pays nothing.
What they answer is made at the first request for it. Swagger UI comes from the extra `docs`, from disk; its page may
load nothing from elsewhere, which its Content-Security-Policy has the browser see to. Without the extra there is a page
without JavaScript.
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
"""What of Swagger UI's files the page needs, and their types."""

_START: Final = """\
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

_NOWHERE: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_POLICIES: Final[Mapping[bool, str]] = {
    # Swagger UI sets styles from its script, and has its images in its style sheet.
    True: f"{_NOWHERE}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'",
    False: f"{_NOWHERE}; style-src 'self'",
}
"""What the page may load (CSP3), with Swagger UI and without: nothing from elsewhere."""

_Answer = tuple[int, Any, list[tuple[str, str]]]


def add_pages(app: Documented, openapi_path: str | None, docs_path: str | None) -> list[SetupProblem]:
    """Give `app`, whose own routes are made, the routes of its documents and of the page; None leaves one out.

    The AsyncAPI document is beside the OpenAPI document. Returns what is wrong: paths that the app answers already.
    Raises ValueError for what is no path.
    """
    pages = Pages(app, openapi_path, docs_path)
    wanted: list[tuple[str, str, Callable[..., _Answer]]] = []
    if openapi_path is not None:
        wanted.append(("openapi_path", openapi_path, pages.openapi))
        wanted.append(("openapi_path", asyncapi_path(openapi_path), pages.asyncapi))
    if docs_path is not None:
        wanted.append(("docs_path", docs_path, pages.docs))
    problems = []
    for name, path, handler in wanted:
        segments = _segments(name, path)
        other = _answered_by(app._trail[-1], segments)
        if other is None:
            _place(app._trail[-1], segments, _route(path, handler))
        else:
            remedy = f"Move it with {name}, or leave it out with {name}=None"
            problems.append(SetupProblem(f"{type(app).__name__}({name}=…)", f"answers {path}, as {other} does", remedy))
    return problems


def asyncapi_path(openapi_path: str) -> str:
    """Where the AsyncAPI document is: beside the other one, called `asyncapi.json`."""
    return openapi_path.rpartition("/")[0] + "/asyncapi.json"


class Pages:
    """What the routes of one app's documents answer."""

    def __init__(self, app: Documented, openapi_path: str | None, docs_path: str | None) -> None:
        self._app = app
        self._openapi_path = openapi_path or ""
        self._docs_path = docs_path or ""

    def openapi(self, request: Request) -> _Answer:
        """The OpenAPI document."""
        return self._document(_prefix(request, self._openapi_path))

    def asyncapi(self) -> _Answer:
        """The AsyncAPI document."""
        return 200, msgspec.json.encode(self._asyncapi), [("Content-Type", JSON)]

    def docs(self, request: Request, file: Annotated[str, Path()] = "") -> _Answer:
        """The page, and the files that it needs. Raises HTTPError 404 for any other file."""
        prefix = _prefix(request, self._docs_path, file)
        if not file:
            return self._page(prefix, quote(prefix + self._docs_path.rstrip("/")))
        if file == "openapi.json":
            return self._document(prefix)
        if self._swagger_ui is not None and file in _SWAGGER_UI:
            return 200, self._swagger_ui / file, [("Content-Type", _SWAGGER_UI[file])]
        if self._swagger_ui is not None and file == "start.js":
            return 200, _START, [("Content-Type", "text/javascript; charset=utf-8")]
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
        """Where the files of Swagger UI are; None without the extra."""
        try:
            bundle = import_module("swagger_ui_bundle")
        except ImportError:
            return None
        return FilePath(str(bundle.swagger_ui_path))

    def _document(self, prefix: str) -> _Answer:
        """The document; where a proxy, or an app that holds this one, has put it below `prefix`, it says so."""
        servers = {"servers": [{"url": quote(prefix)}]} if prefix else {}
        return 200, msgspec.json.encode({**self._openapi, **servers}), [("Content-Type", JSON)]

    def _page(self, prefix: str, base: str) -> _Answer:
        title = self._openapi["info"]["title"]
        if self._swagger_ui is not None:
            text = _SWAGGER_PAGE.format(title=escape(title), base=escape(base))
        else:
            from .html_page import render_page

            text = render_page(self._openapi, prefix, base)
        policy = _POLICIES[self._swagger_ui is not None]
        return 200, text, [("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff")]


def _prefix(request: Request, path: str, file: str = "") -> str:
    """What of the request's path comes before `path`, at which `file` was asked for."""
    whole, root = request.scope["path"], request.scope.get("root_path", "").rstrip("/")
    if not f"{whole}/".startswith(f"{root}/"):  # a server that strips the root, which is not ASGI's way
        whole = root + whole
    segments = whole.rstrip("/").split("/")
    own = path.rstrip("/").count("/") + bool(file)  # counted, as `/a-b` is `/a_b` too
    return "/".join(segments[: len(segments) - own])


# --- routes ---------------------------------------------------------------------------------------------------------


def _segments(name: str, path: str) -> Sequence[str]:
    segments = path[1:].removesuffix("/").split("/") if path != "/" else []
    if not path.startswith("/") or not all(segments) or "{" in path:
        raise ValueError(f"{name}={path!r}: a path starts with '/' and has no empty or variable segments")
    return segments


def _route(path: str, handler: Callable[..., _Answer]) -> Route:
    name = f"{__name__}.{Pages.__name__}.{handler.__name__}"
    signature, _ = read_signature(handler, name, owner=Pages)
    return make_route(handler, signature, path=path, name=name, methods=frozenset({"GET"}))


def _answered_by(node: Node, segments: Sequence[str]) -> str | None:
    """What of the user's own answers at `segments`."""
    if node.mounts and node.find_mount(segments, 0) is not None:
        return "what is mounted there"
    name = segments[0] if segments else "index"
    if len(segments) <= 1 and name in node.http.named:
        return node.http.named[name].name
    if segments and name in node.children:
        return type(node.children[name].owner).__name__
    branch = node.http.templates.at(segments) if node.http.templates is not None else None
    return next(iter(branch.routes.values())).name if branch is not None and branch.routes else None


def _place(node: Node, segments: Sequence[str], route: Route) -> None:
    """Put `route` into the table as the user's own are: one segment is a name, several are a template."""
    if len(segments) <= 1:
        node.http.named["".join(segments) or "index"] = route
        return
    node.http.templates = node.http.templates or Branch()
    for at in (segments, (*segments, "{file}"))[: 1 + int(route.path_values)]:
        node.http.templates.grow(at).routes["GET"] = route
