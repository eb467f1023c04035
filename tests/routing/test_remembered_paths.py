"""`find_route` remembers paths: these tests hold it to `match_path`, also after the tree has changed."""

import gc
import weakref
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micropie import App, HTTPError, HttpMiddleware, Request, Resource, route
from micropie.routing.match import find_route, match_path
from micropie.routing.methods import METHODS
from micropie.routing.paths import split_path
from micropie.routing.table import Mount
from tests.support.asgi import call, http_scope


class Shelf(Resource):
    async def get(self) -> str:
        return "shelf"

    async def first_book(self) -> str:
        return "first book"


class Annex(App):
    async def index(self) -> str:
        return "annex"


class Library(App):
    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.annex = Annex()
        self.other = Shelf()

    async def index(self) -> str:
        return "library"

    async def open(self, door: str = "front") -> str:
        return f"open {door}"


def bound(owner: Any, text: str) -> Any:
    async def handler(self: Any) -> str:
        return text

    return handler.__get__(owner)


def close_open(library: Library) -> None:
    library.open = bound(library, "closed")  # type: ignore[method-assign]  # on purpose


def mount_over(library: Library) -> None:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

    library.mount("/shelf", mounted)


def guard_annex(library: Library) -> None:
    class Closed(HttpMiddleware):
        async def before_request(self, request: Request) -> Any:
            return {"status_code": 403, "body": "closed"}

        async def after_request(self, *_: Any, **__: Any) -> None:
            return None

    library.annex.middlewares.append(Closed())


@pytest.mark.parametrize(
    ("change", "path", "before", "after"),
    [
        (close_open, "/open", "open front", "closed"),
        (lambda library: delattr(library, "other"), "/other", "shelf", "404 Not Found"),
        (lambda library: setattr(library, "other", Annex()), "/other", "shelf", "annex"),
        (lambda library: setattr(library.shelf, "first_book", bound(library.shelf, "late")), "/shelf/first-book/",
         "first book", "late"),
        (lambda library: setattr(library, "index", bound(library, "late")), "", "library", "late"),
        (mount_over, "/shelf", "shelf", "mounted"),
        (guard_annex, "/annex", "annex", "closed"),
    ],
)  # fmt: skip
def test_change_of_the_tree_applies_to_remembered_paths(change: Any, path: str, before: str, after: str) -> None:
    library = Library()
    assert [call(library, "GET", path).text for _ in range(2)] == [before, before]
    change(library)
    assert [call(library, "GET", path).text for _ in range(2)] == [after, after]


def test_change_of_a_resource_that_is_held_twice_applies_to_both_holders() -> None:
    shelf = Shelf()
    libraries = [Library(), Library()]
    for library in libraries:
        library.other = shelf
        assert call(library, "GET", "/other/first_book").text == "first book"
    shelf.first_book = bound(shelf, "late")  # type: ignore[method-assign]  # on purpose
    assert [call(library, "GET", "/other/first_book").text for library in libraries] == ["late", "late"]


def test_path_with_an_encoded_slash_is_not_taken_for_a_remembered_path() -> None:
    library = Library()
    scope = {**http_scope("GET", "/shelf/first_book"), "raw_path": b"/shelf%2Ffirst_book"}
    assert call(library, "GET", "/shelf/first_book").text == "first book"
    assert outcome(lambda: find_route(library._node, scope, "GET")) == (404, [])


PIECES = st.sampled_from(["shelf", "first_book", "first-book", "annex", "open", "index", "none", ""])


@given(st.lists(st.tuples(st.sampled_from(METHODS), st.lists(PIECES, max_size=3), st.sampled_from(["", "/open"]))))
def test_remembered_path_leads_where_match_path_leads(asked: list[tuple[str, list[str], str]]) -> None:
    library = Library()
    for method, pieces, root in asked * 2:
        scope = {**http_scope(method, "/" + "/".join(pieces)), "root_path": root}
        found = [outcome(lambda: match_path(library._trail, split_path(scope), method)),  # noqa: B023  # called at once
                 outcome(lambda: find_route(library._node, scope, method))]  # noqa: B023  # fmt: skip
        assert found[0] == found[1]


class Lanes(App):
    """Methods with path values, and routes that go before or after them."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Shelf()

    async def lane(self, a: str = "", b: str = "") -> str:
        return a + b

    async def two_lane(self, a: str = "") -> str:
        return a

    @route(methods=["POST"])
    async def posted(self, a: str = "") -> str:
        return a

    async def crossed(self, a: str = "", b: str = "") -> str:
        return a + b

    @route("/crossed/over/{a}")
    async def over(self, a: str) -> str:
        return a

    @route("/{a}/{b}/{c}")
    async def anywhere(self, a: str, b: str, c: str) -> str:
        return a + b + c

    async def index(self, *rest: str) -> str:
        return "/".join(rest)


def test_path_without_leading_slash_is_not_found_when_its_first_segment_is_remembered() -> None:
    lanes = Lanes()
    for path, status in (("lane", 404), ("/lane/x", 200), ("lane", 404), ("", 200)):
        assert call(lanes, "GET", path).status == status


LANES = ["lane", "crossed", "two_lane", "two-lane", "posted", "held", "index", "x", ""]


TURNS = [turns for count in range(4) for turns in product(["x", "over", ""], repeat=count)]


LANE_PATHS = [(method, [lane, *turns]) for method in ("GET", "POST", "OPTIONS") for lane in LANES for turns in TURNS]


@settings(max_examples=10)
@given(st.permutations(LANE_PATHS), st.booleans())
def test_remembered_first_segment_leads_where_match_path_leads(
    asked: list[tuple[str, list[str]]], mounted: bool
) -> None:
    lanes = Lanes()
    if mounted:
        lanes.mount("/lane/x", Shelf.__init__)  # type: ignore[arg-type]  # never called
    for method, pieces in asked * 2:
        path = "/" + "/".join(pieces)
        found = [outcome(lambda: match_path(lanes._trail, split_path({"path": path}), method)),  # noqa: B023  # called at once
                 outcome(lambda: find_route(lanes._node, {"path": path}, method))]  # noqa: B023  # fmt: skip
        assert named(found[0]) == named(found[1])


def outcome(look: Any) -> object:
    try:
        return look()
    except HTTPError as error:
        return error.status, error.headers


def test_number_of_remembered_paths_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micropie.routing.match._MOST_KNOWN", 3)
    library = Library()
    for path in ["/shelf", "/shelf/", "/open", "/open/", "/other", "/shelf/first_book", "/shelf/first-book", "/none"]:
        assert call(library, "GET", path).status == (404 if path == "/none" else 200)
    assert len(library._node.routes_by_path) == 3


class Held(App):
    shelf = Shelf()


def test_resource_of_a_class_does_not_keep_instances_alive() -> None:
    held = weakref.ref(Held())
    gc.collect()
    assert held() is None


def test_route_that_is_found_while_the_tree_changes_is_not_remembered() -> None:
    library = Library()
    hashed = []

    class Meanwhile(str):
        """An HTTP method that changes the tree, as another thread might, before its route is remembered."""

        def __hash__(self) -> int:
            hashed.append(self)
            if len(hashed) == 3:  # by path, by first segment, and for the memory
                close_open(library)
            return super().__hash__()

    scope = http_scope("GET", "/open")
    before, _ = find_route(library._node, scope, Meanwhile("GET"))
    after, _ = find_route(library._node, scope, "GET")
    assert [before, after] == [before, match_path(library._trail, ["open"], "GET")[0]]
    assert before is not after


def named(found: Any) -> object:
    """Return what was found, with the app in place of a Mount."""
    return (found[0].app, found[1]) if isinstance(found[0], Mount) else found


OWNERS = st.sampled_from(["library", "shelf", "annex", "other"])


NAMES = st.sampled_from(["open", "first_book", "shelf", "other", "index"])


CHANGES = st.one_of(
    st.tuples(st.just("handler"), OWNERS, NAMES),
    st.tuples(st.just("delete"), OWNERS, NAMES),
    st.tuples(st.just("hold"), OWNERS, NAMES, st.sampled_from(["library", "shelf", "annex", "other"])),
    st.tuples(st.just("mount"), st.sampled_from(["library", "annex"]), st.sampled_from(["/open", "/shelf/open", "/"])),
    st.tuples(st.just("guard"), st.sampled_from(["annex", "library"])),
)


ASKED = ("", "/open", "/shelf", "/other", "/first-book", "/annex", "/shelf/first_book", "/shelf/open",
         "/other/shelf/open", "/annex/open", "/shelf/annex/first_book")  # fmt: skip


@given(st.lists(CHANGES, max_size=8))
def test_remembered_paths_lead_where_match_path_leads_after_any_changes(changes: list[tuple[str, ...]]) -> None:
    library = Library()
    owners: dict[str, Any] = {"library": library, "shelf": library.shelf, "annex": library.annex,
                              "other": library.other}  # fmt: skip

    def look() -> None:
        for path in ASKED:
            scope = http_scope("GET", path or "/")
            found = outcome(lambda: find_route(library._node, scope, "GET"))  # noqa: B023  # called at once
            assert named(found) == named(outcome(lambda: match_path(library._trail, split_path(scope), "GET")))  # noqa: B023

    look()
    for kind, owner, *rest in changes:
        changed = owners[owner]
        if kind == "handler":
            setattr(changed, rest[0], bound(changed, "late"))
        elif kind == "delete" and rest[0] in vars(changed):
            delattr(changed, rest[0])
        elif kind == "hold":
            setattr(changed, rest[0], owners[rest[1]])
        elif kind == "mount":
            changed.mount(rest[0], Annex())
        elif kind == "guard":
            changed.middlewares = [object()]
        look()
