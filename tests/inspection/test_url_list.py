"""These tests list the URLs of an app, of what it holds and of what is mounted in it."""

from micropie import App
from micropie.inspection.url_list import STARS, Entry, list_parameters, list_urls
from micropie.routing.route import Route
from micropie.routing.table import Mount

from .apps import Inner, Items, Shop, plain

OWN = [
    ("/", "http", ()),
    ("/chat/{room}", "websocket", ()),
    ("/inner/page/{number}", "http", ()),
    ("/items", "http", ("GET", "HEAD")),
    ("/items/{id}", "http", ("GET", "HEAD", "PUT")),
    ("/me/{*rest}", "http", ()),
]


def show(entries: list[Entry]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(entry.url, entry.protocol, entry.methods) for entry in entries]


def test_urls_of_the_app_and_of_what_it_holds_are_sorted() -> None:
    assert show(list_urls(Shop())) == OWN


def test_owner_is_the_app_or_resource_that_holds_the_endpoint() -> None:
    app = Shop()
    owners = {entry.url: entry.owner for entry in list_urls(app)}
    assert (owners["/"], owners["/items"], owners["/inner/page/{number}"]) == (app, app.items, app.inner)
    assert all(isinstance(entry.endpoint, Route) for entry in list_urls(app))


def test_mounted_apps_are_listed_and_those_of_micropie_with_their_urls() -> None:
    app, again = App(), Inner()
    app.mount("/static/files", plain)
    app.mount("/again", again)
    app.mount("/", plain)
    entries = list_urls(app)
    assert show(entries) == [
        ("/", "mount", ()),
        ("/again", "mount", ()),
        ("/again/page/{number}", "http", ()),
        ("/static/files", "mount", ()),
    ]
    mounted = [entry.endpoint.app for entry in entries if isinstance(entry.endpoint, Mount)]
    assert mounted == [plain, again, plain]
    assert [entry.owner for entry in entries] == [app, app, again, app]


def test_app_that_is_mounted_in_itself_is_listed_once() -> None:
    app = Inner()
    app.mount("/loop", app)
    assert show(list_urls(app)) == [("/loop", "mount", ()), ("/page/{number}", "http", ())]


def test_resource_that_holds_itself_is_listed_once() -> None:
    class Site(App):
        items = Items()

    app = Site()
    app.items.__dict__["again"] = app.items
    assert [entry.url for entry in list_urls(app)] == ["/items", "/items/{id}"]


def test_parameters_of_dependencies_follow_those_of_the_handler() -> None:
    route = Shop().routes["/me/{*rest}"]
    listed = [(function.rpartition(".")[2], parameter.name) for function, parameter in list_parameters(route)]
    assert listed == [("", "who"), ("", "rest"), ("", "more"), ("token", "authorization"), ("user", "page")]
    assert [STARS.get(parameter.kind, "") for _, parameter in list_parameters(route)] == ["", "*", "**", "", ""]
