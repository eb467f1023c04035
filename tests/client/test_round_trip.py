"""The law of calling: what a client is given is what the handler gets, whatever the signature and the values are.

Each example is a signature that was made up, an app with that handler, and one call of it through a client: arguments →
URL, headers and body → binder → handler.
"""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from micropie import App, Body, Cookie, Form, Header, Path, Query, route
from micropie.client import Client
from micropie.testing import ASGITransport
from tests.conversion.test_round_trip import ARRAYS, DEEP, FLAT, ONLY_JSON, SCALARS, Values, spelled
from tests.support.asgi import acall

Draw: TypeAlias = Callable[[Values], Any]
Empty: Final = inspect.Parameter.empty

POSITIONAL: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY

DOTS: Final = (".", "..")


@dataclass
class Taken:
    """One parameter, and the value it is called with; `Empty` for one that is left out."""

    name: str
    kind: Any
    annotation: Any
    default: Any
    value: Any

    @property
    def expected(self) -> Any:
        return self.default if self.value is Empty else self.value

    def written(self) -> inspect.Parameter:
        return inspect.Parameter(self.name, self.kind, default=self.default, annotation=self.annotation)


Drawn: TypeAlias = tuple[list[Taken], list[Any], dict[str, Any]]
"""Parameters in order, what `*args` are, and what `**kwargs` are."""


def printable(value: object) -> bool:
    """Whether a header can carry it: no control characters, no blanks around it."""
    texts = [spelled(item) for item in value] if isinstance(value, list | set | frozenset | tuple) else [spelled(value)]
    return all(text == text.strip(" \t") and not any(ord(c) < 32 or ord(c) == 127 for c in text) for text in texts)


def bakeable(value: object) -> bool:
    return printable(value) and ";" not in spelled(value)


def some(value: Any) -> bool:
    return len(value) > 0


PATH: Final = [(one, values.filter(lambda value: spelled(value) not in DOTS)) for one, values in SCALARS]
MANY: Final = [(one, values.filter(some)) for one, values in ARRAYS]
HEADERS: Final = [(one, values.filter(printable)) for one, values in [*SCALARS, *MANY]]
COOKIES: Final = [(one, values.filter(bakeable)) for one, values in SCALARS]
STRUCTURES: Final = [*FLAT, *DEEP]


def at_key(annotation: Any) -> Any:
    return Annotated[annotation, Body("key")]


def marked(table: list[tuple[Any, Values]], marker: Any) -> list[tuple[Any, Values]]:
    return [(Annotated[annotation, marker], values) for annotation, values in table]


IN_URLS: Final = [*PATH, *MANY, *marked([*SCALARS, *MANY], Query())]
PLAIN: Final = [
    *IN_URLS,
    *marked(HEADERS, Header()),
    *marked(COOKIES, Cookie()),
]
"""Types and values of parameters that may stand beside any others."""
ONLY_PATH: Final = marked(PATH, Path())

KEYS: Final = [one for one in [*SCALARS, *ARRAYS, *ONLY_JSON] if bytes not in (one[0], *get_args(one[0]))]
"""What is at a key of a JSON body: bytes are the body itself."""
FORMS: Final = marked(FLAT, Form())
BODIES: Final[list[list[tuple[Any, Values]]]] = [
    [],
    STRUCTURES,
    marked(STRUCTURES, Body()),
    marked(KEYS, Body()),
    marked(STRUCTURES, Body("key")),
    marked([*SCALARS, *MANY], Form()),
    FORMS,
    marked([(bytes, st.binary(min_size=1))], Body()),
]
"""What may be in the body, by the kind that it is."""
METHODS: Final = [None, ["POST"], ["PUT", "DELETE"]]
"""What a handler answers: everything, what has a body, what may have one."""
SEVERAL: Final = (3, 5)
"""The kinds of which there may be several parameters in one body."""

NAMES: Final = ["a", "number", "x", "name", "first_name", "content", "street"]
"""Those of fields of the structures among them, with which they must not be mixed up."""


@st.composite
def signatures(draw: Draw, plain: list[tuple[Any, Values]], kinds: int) -> Drawn:
    """A signature, and arguments for it; bodies of the first so many `kinds`."""
    names = iter(draw(st.permutations(NAMES)))
    found = [taken(draw, next(names), plain) for _ in range(draw(st.integers(0, 3)))]
    found += [taken(draw, next(names), ONLY_PATH, POSITIONAL) for _ in range(draw(st.integers(0, 1)))]
    kind = draw(st.integers(0, kinds - 1))
    if BODIES[kind]:
        number = draw(st.integers(1, 2)) if kind in SEVERAL else 1
        found += [taken(draw, next(names) if kind in SEVERAL else "body", BODIES[kind]) for _ in range(number)]
    # Python's own order: what has no default goes first; when something is left out, so is what comes after it.
    found.sort(key=lambda one: (one.kind is KEYWORD, one.kind is POSITIONAL and one.default is not Empty))
    rest: list[Any] = []
    if all(one.value is not Empty for one in found if one.kind is POSITIONAL):
        rest = draw(st.lists(st.integers(), max_size=2))
    if BODIES[kind] is FORMS:  # all names of a form, and those that are left of one, are the same names
        return found, rest, {}
    more = draw(st.dictionaries(st.sampled_from(["u", "v w", "é&="]), st.integers(), max_size=2))
    return found, rest, more


def taken(draw: Draw, name: str, table: list[tuple[Any, Values]], kind: Any = None) -> Taken:
    annotation, values = draw(st.sampled_from(table))
    default = draw(st.just(Empty) | values)
    value = draw(values if default is Empty else st.just(Empty) | st.just(default) | values)
    return Taken(name, kind or draw(st.sampled_from([POSITIONAL, KEYWORD])), annotation, default, value)


bound: list[dict[str, Any]] = []


def app_with(found: list[Taken], rest: list[Any], more: dict[str, Any], methods: Sequence[str] | None = None) -> Any:
    """An app whose method `take` has these parameters, answers these HTTP methods, and notes what it gets."""
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    parameters += [one.written() for one in found if one.kind is POSITIONAL]
    parameters += [inspect.Parameter("rest", inspect.Parameter.VAR_POSITIONAL, annotation=int)] if rest else []
    parameters += [one.written() for one in found if one.kind is KEYWORD]
    parameters += [inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD, annotation=int)] if more else []
    signature = inspect.Signature(parameters)

    async def take(self: App, *args: Any, **kwargs: Any) -> None:
        call = signature.bind(self, *args, **kwargs)
        call.apply_defaults()
        bound.append(dict(call.arguments))

    take.__signature__ = signature  # type: ignore[attr-defined]  # what `inspect` looks for
    made: Any = type("Api", (App,), {"take": take if methods is None else route(methods=methods)(take)})
    return made


def called_with(drawn: Drawn, data: st.DataObject) -> tuple[list[Any], dict[str, Any]]:
    """Arguments for a call: as many by position as it pleases, the others by name."""
    found, rest, more = drawn
    args: list[Any] = []
    kwargs = dict(more)
    by_position = True
    for one in found:
        by_position = by_position and one.value is not Empty and one.kind is POSITIONAL
        by_position = by_position and (bool(rest) or data.draw(st.booleans()))
        if by_position:
            args.append(one.value)
        elif one.value is not Empty:
            kwargs[one.name] = one.value
    return [*args, *rest], kwargs


def check(drawn: Drawn) -> None:
    """The handler got what it was to get."""
    found, rest, more = drawn
    expected = {one.name: one.expected for one in found}
    expected |= ({"rest": tuple(rest)} if rest else {}) | ({"more": more} if more else {})
    assert {name: value for name, value in bound[0].items() if name != "self"} == expected
    for name, value in expected.items():
        assert type(bound[0][name]) is type(value)


async def call(api: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    async with Client(api, "http://localhost", transport=ASGITransport(api())) as client:
        await client.call(api.take, *args, **kwargs)


many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(signatures(PLAIN, len(BODIES)), st.data())
def test_what_a_client_is_given_is_what_the_handler_gets(drawn: Drawn, data: st.DataObject) -> None:
    args, kwargs = called_with(drawn, data)
    bound.clear()
    asyncio.run(call(app_with(*drawn, data.draw(st.sampled_from(METHODS))), args, kwargs))
    check(drawn)


@many
@given(signatures(IN_URLS, 1), st.data())
def test_what_a_url_is_made_of_is_what_the_handler_gets(drawn: Drawn, data: st.DataObject) -> None:
    args, kwargs = called_with(drawn, data)
    bound.clear()
    api = app_with(*drawn)
    app = api()
    answer = asyncio.run(acall(app, "GET", app.url(api.take, *args, **kwargs)))
    assert (answer.status, answer.body) == (204, b"")
    check(drawn)
