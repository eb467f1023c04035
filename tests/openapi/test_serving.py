"""These tests show how an app serves its documents and their page, what the page loads, and which paths conflict."""

import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct
from openapi_spec_validator import validate

from micropie import App, Form, Resource, Session, WebSocket, route
from micropie.openapi.serving import add_pages
from micropie.testing import TestClient

OPENAPI, DOCS = "/openapi.json", "/docs"


class Note(Struct):
    """A <b>note</b>."""

    text: Annotated[str, Meta(max_length=99)]
    tags: list[str] = []


class Shop(App):
    """Sells & buys."""

    async def index(self) -> str:
        return "shop"

    async def price(self, item: str, count: int = 1) -> dict[str, int]:
        """The price of <something>.

        Args:
            item: What & where.
        """
        return {item: count}

    async def save(self, note: Note) -> Note:
        return note

    async def login(self, name: Annotated[str, Form()], user: Annotated[str | None, Session()] = None) -> str:
        return name

    async def ws_chat(self, ws: WebSocket[str, Note]) -> None:
        await ws.accept()


def add_docs(app: App, openapi_path: str | None = OPENAPI, docs_path: str | None = DOCS) -> App:
    assert add_pages(app, openapi_path, docs_path) == []
    return app


@pytest.fixture(params=["Swagger UI", "no JavaScript"])
def is_swagger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run the test with the extra `docs`, and again as if it were not installed."""
    if request.param != "Swagger UI":
        monkeypatch.setitem(sys.modules, "swagger_ui_bundle", None)
    return bool(request.param == "Swagger UI")


def request_statuses(app: App, *paths: str, root_path: str = "") -> dict[str, int]:
    with TestClient(app, root_path=root_path) if root_path else TestClient(app) as client:
        return {path: client.get(path).status_code for path in paths}


EVERYTHING = (
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/",
    "/docs/openapi.json",
    "/a/b.json",
    "/a/asyncapi.json",
    "/a/docs",
    "/a/docs/openapi.json",
)
PLACES: list[tuple[str | None, str | None, set[str]]] = [
    (None, None, set()),
    (OPENAPI, DOCS, set(EVERYTHING[:5])),
    (OPENAPI, None, {"/openapi.json", "/asyncapi.json"}),
    (None, DOCS, {"/docs", "/docs/", "/docs/openapi.json"}),
    ("/a/b.json", "/a/docs", {"/a/b.json", "/a/asyncapi.json", "/a/docs", "/a/docs/openapi.json"}),
]


@pytest.mark.parametrize(("openapi_path", "docs_path", "expected"), PLACES)
def test_documents_and_page_are_served_only_at_their_paths(
    openapi_path: str | None, docs_path: str | None, expected: set[str]
) -> None:
    statuses = request_statuses(add_docs(Shop(), openapi_path, docs_path), *EVERYTHING)
    assert statuses == {path: 200 if path in expected else 404 for path in EVERYTHING}


def test_documents_describe_only_the_users_routes() -> None:
    with TestClient(add_docs(Shop())) as client:
        openapi, asyncapi = client.get(OPENAPI), client.get("/asyncapi.json")
    validate(openapi.json())
    assert openapi.headers["content-type"] == asyncapi.headers["content-type"] == "application/json"
    assert list(openapi.json()["paths"]) == ["/", "/price/{item}", "/price/{item}/{count}", "/save", "/login"]
    assert list(asyncapi.json()["channels"]) == ["chat"]


@pytest.mark.parametrize("path", [OPENAPI, DOCS, "/docs/openapi.json"])
def test_other_methods_are_refused(path: str) -> None:
    with TestClient(add_docs(Shop())) as client:
        refused = client.post(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert (client.head(path).status_code, client.head(path).content) == (200, b"")


class PageParser(HTMLParser):
    """A parser that collects the URLs that a page loads, its tags and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [
            value for name, value in attrs if value and (name == "src" or (name == "href" and tag == "link"))
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("docs_path", ["/docs", "/a/help", "/"])
@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_page_loads_only_files_beside_it(is_swagger: bool, docs_path: str, slash: str) -> None:
    class Empty(App):
        async def price(self) -> str:
            return ""

    with TestClient(add_docs(Empty(), OPENAPI, docs_path)) as client:
        page = client.get(docs_path.rstrip("/") + slash or "/")
        loaded = PageParser(page.text).loaded
        types = {path.rpartition("/")[2]: client.get(path).headers["content-type"] for path in loaded}
    expected = {
        "swagger-ui.css": "text/css; charset=utf-8",
        "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "start.js": "text/javascript; charset=utf-8",
        "favicon-32x32.png": "image/png",
    }
    assert types == (expected if is_swagger else {"style.css": "text/css; charset=utf-8"})
    assert all(path.startswith(docs_path.rstrip("/") + "/") for path in loaded)


def test_content_security_policy_allows_only_the_site_itself(is_swagger: bool) -> None:
    with TestClient(add_docs(Shop())) as client:
        headers = client.get(DOCS).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed <= {"'none'", "'self'", "data:", "'unsafe-inline'"}
    assert policy.get("script-src") == ("'self'" if is_swagger else None)


def test_swagger_ui_uses_no_online_validator() -> None:
    with TestClient(add_docs(Shop())) as client:
        assert "validatorUrl: null" in client.get("/docs/start.js").text


@pytest.mark.parametrize("file", ["../serving.py", "index.html", "swagger-ui.css/x", "style.css", "%2e%2e/x", "x"])
def test_no_other_file_is_served(file: str) -> None:
    assert request_statuses(add_docs(Shop()), f"/docs/{file}") == {f"/docs/{file}": 404}


def test_page_without_javascript_shows_the_whole_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "swagger_ui_bundle", None)
    with TestClient(add_docs(Shop())) as client:
        page = PageParser(client.get(DOCS).text)
    assert "script" not in page.tags
    for text in (
        "Sells & buys.",
        "GET /price/{item}/{count}",
        "The price of <something>.",
        "What & where.",
        "integer, by default 1",
        "string, length ≤ 99",
        "array of string, by default []",
        "A <b>note</b>.",
        "application/json, application/x-www-form-urlencoded, multipart/form-data",
        "object of integer",
        "session, or nothing",
        "pip install 'micropie[docs]'",
    ):
        assert text in page.text


# --- below something --------------------------------------------------------------------------------------------------


def test_document_below_a_root_path_names_it_as_server() -> None:
    app = add_docs(Shop())
    with TestClient(app, root_path="/v1") as client:
        assert client.get("/v1/openapi.json").json()["servers"] == [{"url": "/v1"}]
        assert "/v1/docs/start.js" in client.get("/v1/docs").text
        assert client.get("/v1/docs/openapi.json").json()["servers"] == [{"url": "/v1"}]
    with TestClient(app) as client:
        assert "servers" not in client.get(OPENAPI).json()


def test_page_can_be_requested_with_hyphens() -> None:
    with TestClient(add_docs(Shop(), "/api_document", "/my_docs")) as client:
        assert all(path.startswith("/my_docs/") for path in PageParser(client.get("/my-docs").text).loaded)
        assert "servers" not in client.get("/api-document").json()


def test_held_or_mounted_app_serves_its_own_pages() -> None:
    class Site(App):
        async def index(self) -> str:
            return "site"

    site = Site()
    setattr(site, "shop", add_docs(Shop()))  # noqa: B010  (no class declares the attribute)
    site.mount("/mounted", add_docs(Shop()))
    with TestClient(site) as client:
        for prefix in ("/shop", "/mounted"):
            assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": prefix}]
            assert f"{prefix}/docs/start.js" in client.get(f"{prefix}/docs").text
        assert client.get("/openapi.json").status_code == 404


# --- who else answers there -------------------------------------------------------------------------------------------


class Docs(Resource):
    async def get(self) -> str:
        return ""


async def handler(self: App) -> str:
    return ""


@route("/help/docs")
async def templated(self: App) -> str:
    return ""


TAKEN: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "a method": ({"docs": handler}, "/docs", "Taken.docs"),
    "the index": ({"index": handler}, "/", "Taken.index"),
    "a resource": ({"docs": Docs()}, "/docs", "Docs"),
    "a template": ({"help": templated}, "/help/docs", "Taken.help"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_path_in_use_is_a_problem(name: str) -> None:
    members, path, other = TAKEN[name]
    (problem,) = add_pages(type("Taken", (App,), dict(members))(), None, path)
    assert problem.where == "Taken(docs_path=…)"
    assert problem.what.startswith(f"cannot serve {path}, which ")
    assert problem.what.endswith(f"{other} answers already")
    assert problem.remedy == f'Choose another path, as in docs_path="/api{path}", or pass docs_path=None'


@pytest.mark.parametrize("path", ["docs", "//docs", "/a//b", "/{docs}"])
def test_invalid_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path: expected one that starts with '/'"):
        add_pages(Shop(), None, path)


def test_document_is_made_once() -> None:
    app = add_docs(Shop())
    with TestClient(app) as client:
        first = client.get(OPENAPI).json()

        async def added(self: App) -> str:
            return ""

        setattr(app, "added", added.__get__(app))  # noqa: B010  (no class declares the attribute)
        assert client.get("/added").status_code == 200
        assert client.get(OPENAPI).json() == first


def test_routes_of_the_user_still_respond() -> None:
    with TestClient(add_docs(Shop())) as client:
        assert client.get("/price/apple/2").json() == {"apple": 2}
        assert msgspec.json.decode(client.post("/save", json={"text": "x"}).content) == {"text": "x", "tags": []}
