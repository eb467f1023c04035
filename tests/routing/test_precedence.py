"""These tests hold `match_path` and `trace_route` to the order of `Precedence`, pair by pair."""

from itertools import combinations
from typing import Any

import pytest

from micropie import App, Resource, route
from micropie.inspection.route_trace import trace_route
from micropie.routing.discovery import get_node
from micropie.routing.match import Precedence, match_path
from micropie.routing.table import Branch, Mount, Node

SEGMENTS = ["a", "b"]
PAIRS = list(combinations(Precedence, 2))


class Held(Resource):
    async def index(self, *rest: str) -> None: ...


class Donor(Resource):
    """It lends its routes, all of which fit the path."""

    held = Held()

    async def a(self, x: str) -> None: ...
    async def index(self, x: str, y: str) -> None: ...

    @route("/a/{x}")
    async def literal(self, x: str) -> None: ...

    @route("/{x}/b")
    async def value(self, x: str) -> None: ...


class Verbs(Resource):
    async def get(self, x: str, y: str) -> None: ...


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("It is not called.")


async def mounted_at_root(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("It is not called.")


class Site(App):
    donor = Donor()
    verbs = Verbs()


SITE = Site()
DONOR, VERBS = get_node(SITE.donor), get_node(SITE.verbs)
ROUTES = {lent.attribute: lent for lent in DONOR.http.routes()}


def add_candidate(node: Node, kind: Precedence) -> object:
    """Put a candidate of that kind, which fits the path, into `node`; return what it answers with."""
    table = node.http
    if kind is Precedence.MOUNT:
        node.mounts["a",] = mounted
        return mounted
    if kind is Precedence.ROOT_MOUNT:
        node.mounts[()] = mounted_at_root
        return mounted_at_root
    if kind is Precedence.HELD:
        child = DONOR.children["held"]
        node.children["a"] = child
        return child.http.named["index"]
    if kind is Precedence.VERB:
        table.verbs["GET"] = VERBS.http.verbs["GET"]
        return table.verbs["GET"]
    if kind in (Precedence.OWN_URL, Precedence.INDEX):
        name = "a" if kind is Precedence.OWN_URL else "index"
        table.named[name] = ROUTES[name]
        return ROUTES[name]
    literal = kind is Precedence.LITERAL_TEMPLATE
    table.templates = table.templates or Branch()
    template = ROUTES["literal" if literal else "value"]
    table.templates.grow(["a", "{x}"] if literal else ["{x}", "b"]).routes[""] = template
    return template


def identify(answer: object) -> object:
    return answer.app if isinstance(answer, Mount) else answer


@pytest.mark.parametrize("kind", Precedence, ids=lambda kind: kind.name)
def test_candidate_alone_takes_the_path(kind: Precedence) -> None:
    node = Node(SITE)
    expected = add_candidate(node, kind)
    assert identify(match_path((node,), SEGMENTS, "GET")[0]) is expected


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda kind: kind.name)
def test_candidate_of_the_kind_that_is_listed_first_takes_the_path(first: Precedence, second: Precedence) -> None:
    node = Node(SITE)
    expected = add_candidate(node, first)
    add_candidate(node, second)
    assert identify(match_path((node,), SEGMENTS, "GET")[0]) is expected


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda kind: kind.name)
def test_trace_lists_the_pair_in_the_same_order(first: Precedence, second: Precedence) -> None:
    node = Node(SITE)
    expected = add_candidate(node, first)
    add_candidate(node, second)
    candidates = trace_route((node,), SEGMENTS, "GET")
    assert [identify(candidate.endpoint) for candidate in candidates if candidate.outcome == "chosen"] == [expected]
    lost = [candidate.why for candidate in candidates if candidate.outcome == "lost"]
    reason = f"it fits too, but {first.value} goes before {second.value}"
    unlisted = second is Precedence.HELD or (first, second) == (Precedence.VERB, Precedence.INDEX)
    excluded = first is Precedence.OWN_URL and second in (Precedence.VERB, Precedence.INDEX)
    assert lost == ([] if unlisted else ["the path names the method a"] if excluded else [reason])
