"""This module reads the source code of functions with `ast`: calls, session keys, and comments to the checks.

The code is never run. A function without source code (from a console, generated) has no findings of this kind.
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
"""The methods of a session whose first argument is a key."""


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """The source code of a function."""

    node: Function
    file: str

    @property
    def line(self) -> int:
        """The line of its `def`."""
        return self.node.lineno

    def find_parameter(self, name: str) -> int:
        """Return the line of its parameter of that name; the line of its `def` if it has none."""
        arguments = self.node.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        lines = (parameter.lineno for parameter in parameters if parameter is not None and parameter.arg == name)
        return next(lines, self.line)

    def list_ignored(self, line: int) -> frozenset[str]:
        """Return the codes that comments silence, on `line` or from the first decorator to the end of the signature."""
        first = min([self.line, *(decorator.lineno for decorator in self.node.decorator_list)])
        last = max(self.line, self.node.body[0].lineno - 1)
        lines = {line, *range(first, last + 1)}
        matches = [IGNORE.search(linecache.getline(self.file, number)) for number in lines]
        return frozenset(code.strip() for match in matches if match for code in match[1].split(","))

    def list_templates(self) -> Iterator[tuple[str, int]]:
        """Yield each template that it renders by a literal name, with the line of the name."""
        for call in self._list_calls("_render_template"):
            if call.args and (name := _get_text(call.args[0])) is not None:
                yield name, call.args[0].lineno

    def list_own_calls(self) -> frozenset[str]:
        """Return the names of the methods that it calls on its first parameter, `self`."""
        names = [argument.arg for argument in (*self.node.args.posonlyargs, *self.node.args.args)]
        called = [node.func for node in ast.walk(self.node) if isinstance(node, ast.Call)]
        return frozenset(
            function.attr
            for function in called
            if isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and names[:1] == [function.value.id]
        )

    def read_session_keys(self) -> Mapping[str, bool]:
        """Return the session keys that it names; the value is True if it sets the key."""
        keys: dict[str, bool] = {}
        for key, is_set in self._list_session_uses():
            keys[key] = keys.get(key, False) or is_set
        return keys

    def _list_session_uses(self) -> Iterator[tuple[str, bool]]:
        named = {name for name, value in self._list_assignments() if _is_session(value, frozenset())}
        for node in ast.walk(self.node):
            if isinstance(node, ast.Subscript) and _is_session(node.value, named):
                if (key := _get_text(node.slice)) is not None:
                    yield key, isinstance(node.ctx, ast.Store)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if _is_session(node.func.value, named):
                    yield from _read_session_call(node, node.func.attr)
            elif isinstance(node, ast.Compare) and any(_is_session(operand, named) for operand in node.comparators):
                if (key := _get_text(node.left)) is not None:  # "user" in session
                    yield key, False
            elif isinstance(node, ast.Assign) and any(_is_session(target, frozenset()) for target in node.targets):
                yield from ((key, True) for key in _list_keys(node.value))

    def _list_assignments(self) -> Iterator[tuple[str, ast.expr]]:
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign):
                yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
                yield node.target.id, node.value

    def _list_calls(self, name: str) -> Iterator[ast.Call]:
        for node in ast.walk(self.node):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield node


def _read_session_call(call: ast.Call, method: str) -> Iterator[tuple[str, bool]]:
    if method in READING and call.args and (key := _get_text(call.args[0])) is not None:
        yield key, method == "setdefault"
    elif method == "update":
        yield from ((keyword.arg, True) for keyword in call.keywords if keyword.arg is not None)
        yield from ((key, True) for argument in call.args for key in _list_keys(argument))


def _is_session(node: ast.expr, named: frozenset[str] | set[str]) -> bool:
    """Return True if `node` is `….session`, or a local name for it."""
    if isinstance(node, ast.Name):
        return node.id in named
    return isinstance(node, ast.Attribute) and node.attr == "session"


def _get_text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _list_keys(node: ast.expr) -> Iterator[str]:
    """Yield the literal keys of a dictionary display."""
    if isinstance(node, ast.Dict):
        yield from (text for key in node.keys if key is not None and (text := _get_text(key)) is not None)


class SourceReader:
    """A reader that finds functions in their files, and reads each file once."""

    def __init__(self) -> None:
        linecache.checkcache()
        self._files: dict[str, Mapping[tuple[int, str], Function]] = {}

    def find_source(self, function: object) -> FunctionSource | None:
        """Return the source of `function`, or of the function in its decorators; None without source code."""
        inner = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        code = getattr(inspect.unwrap(inner) if callable(inner) else inner, "__code__", None)
        if code is None:
            return None
        if code.co_filename not in self._files:
            self._files[code.co_filename] = dict(_index_functions(code.co_filename))
        node = self._files[code.co_filename].get((code.co_firstlineno, code.co_name))
        return FunctionSource(node, code.co_filename) if node is not None else None


def _index_functions(file: str) -> Iterator[tuple[tuple[int, str], Function]]:
    """Yield every function in `file`, with its first line, decorators included, and its name."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield (min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.name), node
