"""These tests hold the client to one law: the arguments of a call reach the handler unchanged.

Each example is a generated signature, an app with that handler, and one call through a client: arguments → URL, headers
and body → binder → handler.
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
from tests.conversion.test_round_trip import ARRAYS, DEEP, FLAT, ONLY_JSON, SCALARS, Values, spell
from tests.support.asgi import acall

Draw: TypeAlias = Callable[[Values], Any]
Empty: Final = inspect.Parameter.empty

POSITIONAL: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY

DOTS: Final = (".", "..")


@dataclass
class DrawnParameter:
    """A parameter, and the value that the call passes; `Empty` if the call leaves it out."""

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


Drawn: TypeAlias = tuple[list[DrawnParameter], list[Any], dict[str, Any]]
"""The parameters in order, the values of `*args`, and those of `**kwargs`."""


def printable(value: object) -> bool:
    """Return True if a header can carry `value`: no control characters, and no blanks around it."""
    texts = [spell(item) for item in value] if isinstance(value, list | set | frozenset | tuple) else [spell(value)]
    return all(text == text.strip(" \t") and not any(ord(c) < 32 or ord(c) == 127 for c in text) for text in texts)


def listable(value: Any) -> bool:
    """Return True if a header can carry the items of `value`: none is empty, and none holds a comma."""
    return printable(value) and all(spell(item) and "," not in spell(item) for item in value)


def bakeable(value: object) -> bool:
    return printable(value) and ";" not in spell(value)


def some(value: Any) -> bool:
    return len(value) > 0


PATH: Final = [(annotation, values.filter(lambda value: spell(value) not in DOTS)) for annotation, values in SCALARS]
MANY: Final = [(annotation, values.filter(some)) for annotation, values in ARRAYS]
HEADERS: Final = [
    *((annotation, values.filter(printable)) for annotation, values in SCALARS),
    *((annotation, values.filter(listable)) for annotation, values in MANY),
]
COOKIES: Final = [(annotation, values.filter(bakeable)) for annotation, values in SCALARS]
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

KEYS: Final = [
    (annotation, values)
    for annotation, values in [*SCALARS, *ARRAYS, *ONLY_JSON]
    if bytes not in (annotation, *get_args(annotation))
]
"""Values at a key of a JSON body, but for bytes, which are the body itself."""
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
"""The parameters that a body may bring, by the kind of body."""
METHODS: Final = [None, ["POST"], ["PUT", "DELETE"]]
"""The methods of a handler: all, one with a body, and two that may have a body."""
SEVERAL: Final = (3, 5)
"""The kinds of bodies that can bring several parameters."""

NAMES: Final = ["a", "number", "x", "name", "first_name", "content", "street"]
"""Names of parameters. Some are also names of fields, with which the client must not confuse them."""


@st.composite
def signatures(draw: Draw, plain: list[tuple[Any, Values]], kinds: int) -> Drawn:
    """Draw a signature and arguments for it, with a body of one of the first `kinds` of BODIES."""
    names = iter(draw(st.permutations(NAMES)))
    parameters = [draw_parameter(draw, next(names), plain) for _ in range(draw(st.integers(0, 3)))]
    parameters += [draw_parameter(draw, next(names), ONLY_PATH, POSITIONAL) for _ in range(draw(st.integers(0, 1)))]
    kind = draw(st.integers(0, kinds - 1))
    if BODIES[kind]:
        number = draw(st.integers(1, 2)) if kind in SEVERAL else 1
        parameters += [
            draw_parameter(draw, next(names) if kind in SEVERAL else "body", BODIES[kind]) for _ in range(number)
        ]
    # As Python demands, parameters without a default come first.
    parameters.sort(
        key=lambda parameter: (
            parameter.kind is KEYWORD,
            parameter.kind is POSITIONAL and parameter.default is not Empty,
        )
    )
    rest: list[Any] = []
    # A call that leaves out a positional parameter cannot pass those after it.
    if all(parameter.value is not Empty for parameter in parameters if parameter.kind is POSITIONAL):
        rest = draw(st.lists(st.integers(), max_size=2))
    if BODIES[kind] is FORMS:  # such a form takes all names, and so does `**more`
        return parameters, rest, {}
    more = draw(st.dictionaries(st.sampled_from(["u", "v w", "é&="]), st.integers(), max_size=2))
    return parameters, rest, more


def draw_parameter(draw: Draw, name: str, table: list[tuple[Any, Values]], kind: Any = None) -> DrawnParameter:
    annotation, values = draw(st.sampled_from(table))
    default = draw(st.just(Empty) | values)
    value = draw(values if default is Empty else st.just(Empty) | st.just(default) | values)
    return DrawnParameter(name, kind or draw(st.sampled_from([POSITIONAL, KEYWORD])), annotation, default, value)


bound: list[dict[str, Any]] = []


def app_with(
    drawn: list[DrawnParameter], rest: list[Any], more: dict[str, Any], methods: Sequence[str] | None = None
) -> Any:
    """Return an App whose method `take` has these parameters and HTTP methods, and records its arguments."""
    written = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    written += [parameter.written() for parameter in drawn if parameter.kind is POSITIONAL]
    written += [inspect.Parameter("rest", inspect.Parameter.VAR_POSITIONAL, annotation=int)] if rest else []
    written += [parameter.written() for parameter in drawn if parameter.kind is KEYWORD]
    written += [inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD, annotation=int)] if more else []
    signature = inspect.Signature(written)

    async def take(self: App, *args: Any, **kwargs: Any) -> None:
        call = signature.bind(self, *args, **kwargs)
        call.apply_defaults()
        bound.append(dict(call.arguments))

    take.__signature__ = signature  # type: ignore[attr-defined]  # what `inspect` looks for
    app_class: Any = type("Api", (App,), {"take": take if methods is None else route(methods=methods)(take)})
    return app_class


def called_with(drawn: Drawn, data: st.DataObject) -> tuple[list[Any], dict[str, Any]]:
    """Draw the arguments of a call: some of them by position, the others by name."""
    parameters, rest, more = drawn
    args: list[Any] = []
    kwargs = dict(more)
    by_position = True
    for parameter in parameters:
        by_position = by_position and parameter.value is not Empty and parameter.kind is POSITIONAL
        by_position = by_position and (bool(rest) or data.draw(st.booleans()))
        if by_position:
            args.append(parameter.value)
        elif parameter.value is not Empty:
            kwargs[parameter.name] = parameter.value
    return [*args, *rest], kwargs


def check(drawn: Drawn) -> None:
    """Assert that the handler got the values and types that the call was made with."""
    parameters, rest, more = drawn
    expected = {parameter.name: parameter.expected for parameter in parameters}
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
def test_arguments_of_a_call_reach_the_handler_unchanged(drawn: Drawn, data: st.DataObject) -> None:
    args, kwargs = called_with(drawn, data)
    bound.clear()
    asyncio.run(call(app_with(*drawn, data.draw(st.sampled_from(METHODS))), args, kwargs))
    check(drawn)


@many
@given(signatures(IN_URLS, 1), st.data())
def test_arguments_of_a_url_reach_the_handler_unchanged(drawn: Drawn, data: st.DataObject) -> None:
    args, kwargs = called_with(drawn, data)
    bound.clear()
    api = app_with(*drawn)
    app = api()
    answer = asyncio.run(acall(app, "GET", app.url(api.take, *args, **kwargs)))
    assert (answer.status, answer.body) == (204, b"")
    check(drawn)
