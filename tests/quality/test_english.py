"""These tests hold docstrings and comments to the form of the project's English: sentences with a verb and an actor.

They can check form only. Whether a sentence is read once is for a reviewer.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
IMPERATIVES: Final = frozenset(Path(__file__).with_name("imperatives.txt").read_text().split())
"""The verbs that a function's docstring may begin with, each of them in use. Add a verb that is missing."""

MODULES: Final = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "micropie").rglob("*.py"))}
PROSE: Final = {
    str(path.relative_to(ROOT)): path
    for folder, pattern in [
        ("micropie", "*.py"),
        ("examples", "*.py"),
        ("benchmarks", "*.py"),
        ("tests", "*.py"),
        ("docs", "*.md"),
    ]
    for path in sorted((ROOT / folder).rglob(pattern))
    if path != Path(__file__)
} | {name: ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}

Function = ast.FunctionDef | ast.AsyncFunctionDef
ACTORLESS: Final = re.compile(r"\b(?:nobody|somebody|whoever|everybody)\b", re.IGNORECASE)
"""Words that hide who acts: the client, the server, the handler, the caller."""


def third_person(verb: str) -> str:
    """Return the third person of an English verb: `reads`, `catches`, `carries`."""
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb[-1] == "y" and verb[-2] not in "aeiou" else f"{verb}s"


FINITE: Final = {third_person(verb) for verb in IMPERATIVES} | {
    "is",
    "are",
    "has",
    "have",
    "does",
    "can",
    "must",
    "may",
}
BEFORE_NOUNS: Final = frozenset(
    ("a", "an", "the", "of", "with", "for", "by", "in", "on", "to", "from", "at", "no", "and")
)
"""Words after which `routes` or `names` is a noun, not a verb."""


def first_sentence(docstring: str) -> str:
    return re.split(r"(?<=[.:!?])\s|\n\n", docstring.strip(), maxsplit=1)[0]


def is_property(function: Function) -> bool:
    return any(re.search(r"property|\.(setter|deleter)$", ast.unparse(name)) for name in function.decorator_list)


def is_overload(function: Function) -> bool:
    return any("overload" in ast.unparse(name) for name in function.decorator_list)


def list_functions(node: ast.AST) -> Iterator[Function]:
    """Yield the functions of a module and the methods of its classes, without functions inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child
        elif isinstance(child, ast.ClassDef | ast.If):
            yield from list_functions(child)


def begins_with_imperative(docstring: str) -> bool:
    word = re.match(r"([A-Z][a-z]+)\b", docstring)
    return word is not None and word[1].lower() in IMPERATIVES


@pytest.mark.parametrize("name", MODULES)
def test_docstring_of_every_function_begins_with_an_imperative_verb(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    wrong = [
        f"{function.lineno} {function.name}: {first_sentence(docstring)}"
        for function in list_functions(tree)
        if not is_property(function)
        if (docstring := ast.get_docstring(function)) is not None
        if not begins_with_imperative(docstring)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_of_more_than_three_lines_has_a_docstring(name: str) -> None:
    wrong = [
        f"{function.lineno} {function.name}"
        for function in list_functions(ast.parse(MODULES[name].read_text()))
        if not (function.name.startswith("_") or is_overload(function) or ast.get_docstring(function))
        if (function.end_lineno or 0) - function.lineno >= 4
    ]
    assert wrong == []


def has_finite_verb(docstring: str) -> bool:
    """Return True if the first sentence has a verb in the present, with a subject before it."""
    words = re.findall(r"[a-z']+", re.sub(r"`[^`]*`", "x", first_sentence(docstring)).lower())
    return any(word in FINITE and before not in BEFORE_NOUNS for before, word in pairwise(words))


@pytest.mark.parametrize("name", MODULES)
def test_docstring_of_every_module_has_a_finite_verb(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(MODULES[name].read_text())) or ""
    assert has_finite_verb(docstring), docstring


@pytest.mark.parametrize("name", PROSE)
def test_text_names_who_acts(name: str) -> None:
    lines = PROSE[name].read_text().splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if ACTORLESS.search(line)] == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Return the route for a path.", True),
        ("Raise HTTPError 404.", True),
        ("The route for a path.", False),
        ("Whether a path has a route.", False),
        ("Returns the route for a path.", False),
        ("return the route for a path.", False),
        ("`path` as a route.", False),
    ],
)
def test_imperative_is_told_from_other_openings(docstring: str, expected: bool) -> None:
    assert begins_with_imperative(docstring) is expected


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("This module lists routes.", True),
        ("A marker is data.", True),
        ("`match` reads the tables.", True),
        ("Errors of a request, which the router raises.", True),
        ("", False),
        ("The order of middleware.", False),
        ("Cookies by name.", False),
        ("A list of routes.", False),
        ("Names and values.", False),
        ("Calls.", False),
        ("Headers. This module reads them.", False),
    ],
)
def test_finite_verb_is_told_from_nouns(docstring: str, expected: bool) -> None:
    assert has_finite_verb(docstring) is expected
