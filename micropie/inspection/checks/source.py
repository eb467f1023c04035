"""What the source code of a function says, read by `ast` and never run: calls, session keys, comments to the checks.

Where there is no source (a console, generated code) it says nothing.
"""

import ast
import inspect
import linecache
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

IGNORE: Final = re.compile(r"#\s*micropie:\s*ignore\[([\w\s,-]*)\]")
"""`# micropie: ignore[accidental-url, untyped-return]`"""

READING: Final = ("get", "pop", "setdefault")
"""What takes a key of a session first."""


@dataclass(frozen=True, slots=True)
class Written:
    """One function as it is written."""

    node: Function
    file: str

    @property
    def line(self) -> int:
        """Where its `def` stands."""
        return self.node.lineno

    def line_of(self, parameter: str) -> int:
        """Where its parameter of that name stands."""
        found = self.node.args
        every = [*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg]
        return next((one.lineno for one in every if one is not None and one.arg == parameter), self.line)

    def ignored(self, line: int) -> frozenset[str]:
        """The codes that comments silence, on `line` itself or from the first decorator to the body's beginning."""
        first = min([self.line, *(decorator.lineno for decorator in self.node.decorator_list)])
        last = max(self.line, self.node.body[0].lineno - 1)
        lines = {line, *range(first, last + 1)}
        found = [IGNORE.search(linecache.getline(self.file, number)) for number in lines]
        return frozenset(code.strip() for match in found if match for code in match[1].split(","))

    def templates(self) -> Iterator[tuple[str, int]]:
        """The templates that it renders and whose names it spells out, and the line of each."""
        for call in self._calls("_render_template"):
            if call.args and (name := _text(call.args[0])) is not None:
                yield name, call.args[0].lineno

    def own_calls(self) -> frozenset[str]:
        """The names of what it calls on its first parameter, `self`."""
        names = [one.arg for one in (*self.node.args.posonlyargs, *self.node.args.args)]
        called = [node.func for node in ast.walk(self.node) if isinstance(node, ast.Call)]
        return frozenset(
            function.attr
            for function in called
            if isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and names[:1] == [function.value.id]
        )

    def session_keys(self) -> Mapping[str, bool]:
        """The keys of the session that it names, each with whether it sets it."""
        found: dict[str, bool] = {}
        for key, is_set in self._session_uses():
            found[key] = found.get(key, False) or is_set
        return found

    def _session_uses(self) -> Iterator[tuple[str, bool]]:
        named = {name for name, value in self._assignments() if _is_session(value, frozenset())}
        for node in ast.walk(self.node):
            if isinstance(node, ast.Subscript) and _is_session(node.value, named):
                if (key := _text(node.slice)) is not None:
                    yield key, isinstance(node.ctx, ast.Store)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if _is_session(node.func.value, named):
                    yield from _session_call(node, node.func.attr)
            elif isinstance(node, ast.Compare) and any(_is_session(one, named) for one in node.comparators):
                if (key := _text(node.left)) is not None:  # "user" in session
                    yield key, False
            elif isinstance(node, ast.Assign) and any(_is_session(target, frozenset()) for target in node.targets):
                yield from ((key, True) for key in _keys(node.value))

    def _assignments(self) -> Iterator[tuple[str, ast.expr]]:
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign):
                yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
                yield node.target.id, node.value

    def _calls(self, name: str) -> Iterator[ast.Call]:
        for node in ast.walk(self.node):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield node


def _session_call(call: ast.Call, method: str) -> Iterator[tuple[str, bool]]:
    if method in READING and call.args and (key := _text(call.args[0])) is not None:
        yield key, method == "setdefault"
    elif method == "update":
        yield from ((keyword.arg, True) for keyword in call.keywords if keyword.arg is not None)
        yield from ((key, True) for argument in call.args for key in _keys(argument))


def _is_session(node: ast.expr, named: frozenset[str] | set[str]) -> bool:
    """Whether `node` is `….session`, or a local name for it."""
    if isinstance(node, ast.Name):
        return node.id in named
    return isinstance(node, ast.Attribute) and node.attr == "session"


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _keys(node: ast.expr) -> Iterator[str]:
    """The keys that a dictionary display spells out."""
    if isinstance(node, ast.Dict):
        yield from (key for one in node.keys if one is not None and (key := _text(one)) is not None)


class Reader:
    """Finds functions in their files, each of which it reads once."""

    def __init__(self) -> None:
        linecache.checkcache()
        self._files: dict[str, Mapping[tuple[int, str], Function]] = {}

    def written(self, function: object) -> Written | None:
        """`function`, or what its decorators are around; None where its source cannot be had."""
        inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        code = getattr(inspect.unwrap(inner) if callable(inner) else inner, "__code__", None)
        if code is None:
            return None
        if code.co_filename not in self._files:
            self._files[code.co_filename] = dict(_functions(code.co_filename))
        node = self._files[code.co_filename].get((code.co_firstlineno, code.co_name))
        return Written(node, code.co_filename) if node is not None else None


def _functions(file: str) -> Iterator[tuple[tuple[int, str], Function]]:
    """Every function in `file` by its first line, decorators included, and its name."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield (min([node.lineno, *(one.lineno for one in node.decorator_list)]), node.name), node
