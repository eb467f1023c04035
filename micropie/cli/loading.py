"""This module turns `module:app` on the command line into an ASGI app, or into one precise error.

It owns the form of a target, the search for its module, and the text of each mistake on the way with its fix. It
imports neither click nor uvicorn: it raises `LoadError`, and the command line turns that into an exit code.
"""

import importlib
import inspect
import json
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from pkgutil import iter_modules
from types import MethodType, ModuleType
from typing import Final, cast

from ..app.application import App
from ..errors import SetupError
from ..types import ASGIApp
from .suggestions import find_close, suggest

PROBLEMS: Final = 1
"""Exit code: the command has run and has found problems."""
WRONG_USAGE: Final = 2
"""Exit code: the command line is wrong, or its target is not an app."""
NOT_STARTED: Final = 3
"""Exit code: the app could not be imported or started."""

VARIABLE: Final = "MICROPIE_RUN"
"""The environment variable that tells a child process what to load: the JSON object that `hand_over` writes."""

ASGI_PARAMETERS: Final = ("scope", "receive", "send")
NAMES: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")

REMEDIES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ModuleNotFoundError, f"Is it installed for {sys.executable}?"),
    (SystemExit, "Move the code that runs the program below: if __name__ == '__main__':"),
)
"""Exceptions that nearly always have the same cause, with the fix to add to their message."""

LIBRARIES: Final = tuple(
    f"{path}{os.sep}"
    for path in (Path(__file__).parents[1], *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
)
"""Directories of code that the user did not write."""
MACHINERY: Final = ("<frozen importlib", str(Path(importlib.__file__).parent), __file__)
"""The files that are in a traceback only because a module was imported."""


class LoadError(Exception):
    """An app that could not be loaded. The message names the mistake and its fix; `exit_code` is for the process."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed `module:attribute`. Both parts may contain dots."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def load_app(target: str, *, factory: bool, app_dir: str) -> ASGIApp:
    """Load the app that `target` names: an App, an App subclass (instantiated), or any other ASGI 3 callable.

    With `factory`, `target` names a function that returns one of these. `app_dir` is put first on the import path.
    Raises LoadError for every mistake, with the exception behind it as `__cause__`.
    """
    parsed = parse_target(target)
    module = _import(parsed.module, app_dir)
    value = _get_attribute(module, parsed)
    if factory:
        result = _call_factory(value, repr(target))
        return _convert_to_app(result, f"The result of {target!r}", NOT_STARTED)
    return _convert_to_app(value, repr(target), WRONG_USAGE)


def load_micropie_app(target: str, *, factory: bool, app_dir: str) -> App:
    """Load an app as `load_app` does, for a command that inspects it. Raises LoadError, also for other ASGI apps."""
    with redirect_prints():
        app = load_app(target, factory=factory, app_dir=app_dir)
    if isinstance(app, App):
        return app
    wrong = "is an ASGI app, but this command can only inspect a micropie.App."
    raise LoadError(f"{target!r} {wrong} Name an instance or a subclass of micropie.App.", WRONG_USAGE)


def redirect_prints() -> AbstractContextManager[object]:
    """Redirect the prints of the user's code to standard error. Standard output is for the command's own output."""
    return redirect_stdout(sys.stderr)


def hand_over(target: str, *, factory: bool, app_dir: str, debug: bool) -> None:
    """Write the arguments into the environment for `load_in_child`, which servers call in their child processes."""
    arguments = {"target": target, "factory": factory, "app_dir": app_dir, "debug": debug}
    os.environ[VARIABLE] = json.dumps(arguments)


def load_in_child() -> ASGIApp:
    """Load the app that `hand_over` named. A LoadError ends the process with its message, without a traceback."""
    arguments = json.loads(os.environ[VARIABLE])
    try:
        return load_app(arguments["target"], factory=arguments["factory"], app_dir=arguments["app_dir"])
    except LoadError as error:
        report(error, debug=arguments["debug"])
        sys.exit(error.exit_code)


def report(error: Exception, *, debug: bool = False) -> None:
    """Write `error` to standard error. With `debug`, the traceback of the exception behind it comes first."""
    if debug and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)
    if sys.stderr is not None:
        sys.stderr.write(f"Error: {error}\n")


def parse_target(target: str) -> Target:
    """Parse `module:attribute`. Raises LoadError for any other form, and suggests the likely right one."""
    module, _, attribute = target.partition(":")
    # A package could have a module named `py`, but a module that ends in `.py` is nearly always a file name.
    if NAMES.fullmatch(module) and NAMES.fullmatch(attribute) and not module.endswith(".py"):
        return Target(module, attribute)
    raise LoadError(f"{target!r} is not of the form module:app. {suggest(_correct_target(target))}", WRONG_USAGE)


def _correct_target(target: str) -> str:
    """Return `target` as it was probably meant: a file or a path becomes a module, a call becomes a factory."""
    drive, colon, rest = target[:1], target[1:2], target[2:]
    has_drive = drive.isalpha() and colon == ":" and rest[:1] in ("\\", "/")
    module, _, attribute = (rest if has_drive else target).partition(":")
    module = f"{drive}:{module}" if has_drive else module
    path = (PureWindowsPath if "\\" in module else PurePath)(module.removesuffix(".py"))
    directory = "" if path.parent == PurePath() else f"--app-dir {path.parent} "
    name = path.name if NAMES.fullmatch(path.name) else "main"
    names = NAMES.match(attribute)
    factory = "--factory " if attribute.endswith(")") else ""
    return f"{directory}{factory}{name}:{names[0] if names else 'app'}"


# Finding and importing the module


def _import(name: str, app_dir: str) -> ModuleType:
    directory = str(Path(app_dir).absolute())
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    with _convert_errors(f"{name!r} could not be imported"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            # A traceback with frames of the user's code means that this code imports a missing module.
            if _list_calls(error) or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise LoadError(_describe_missing_module(name, str(error.name), directory), NOT_STARTED) from error


def _describe_missing_module(name: str, missing: str, directory: str) -> str:
    """Describe that importing `name` failed because `missing`, which is `name` or a package above it, was not found."""
    parent, _, last = missing.rpartition(".")
    if parent and not hasattr(sys.modules[parent], "__path__"):
        return f"Module {name!r} cannot exist: {parent!r} is a module, not a package. {suggest(f'{parent}:{last}')}"
    places = list(sys.modules[parent].__path__) if parent else [directory]
    close = find_close(last, [module.name for module in iter_modules(places)])
    if close:
        suggestion = ".".join(filter(None, (parent, close, name[len(missing) + 1 :])))
        remedy = suggest(repr(suggestion))
    else:
        remedy = "Give the directory that contains it: --app-dir DIRECTORY."
    searched = ", ".join(places) + ("" if parent else " or among the installed packages")
    return f"Module {missing!r} was not found in {searched}. {remedy}"


def _get_attribute(module: ModuleType, target: Target) -> object:
    value: object = module
    prefix = ""
    for name in target.attribute.split("."):
        owner = value
        with _convert_errors(f"{str(target)!r} could not be read"):
            try:
                value = getattr(owner, name)
            except AttributeError as error:
                raise LoadError(_describe_missing_attribute(module, prefix, owner, name), NOT_STARTED) from error
        prefix += f"{name}."
    return value


def _describe_missing_attribute(module: ModuleType, prefix: str, owner: object, name: str) -> str:
    """Describe that `owner`, which is `module` or what `prefix` names in it, has no attribute `name`."""
    # Static, so that listing the members of the owner does not evaluate its properties.
    members = {key: value for key, value in inspect.getmembers_static(owner) if not key.startswith("_")}
    apps = [key for key, value in members.items() if _is_app(value)]
    close = find_close(name, apps) or find_close(name, members)
    if close:
        remedy = suggest(f"{module.__name__}:{prefix}{close}")
    elif apps:
        remedy = "Its apps are " + ", ".join(f"{module.__name__}:{prefix}{app}" for app in apps) + "."
    else:
        remedy = "It contains no app."
    return f"{module.__name__!r} ({_describe_file(module)}) has no {prefix + name!r}. {remedy}"


def _describe_file(module: ModuleType) -> str:
    if module.__spec__ is not None and module.__spec__.origin in ("built-in", "frozen"):
        return "part of Python"
    file = getattr(module, "__file__", None)
    return format_path(file) if isinstance(file, str) else "a directory without __init__.py"


def _is_app(value: object) -> bool:
    return isinstance(value, App) or (isinstance(value, type) and issubclass(value, App) and value is not App)


# From the value that a target names to an app


def _convert_to_app(value: object, name: str, exit_code: int) -> ASGIApp:
    if isinstance(value, type) and not hasattr(value, "__await__"):
        return _create_app(value, name, exit_code)
    if callable(value) and _is_callable_with(value, len(ASGI_PARAMETERS)):
        return cast(ASGIApp, value)
    raise LoadError(f"{name} {_explain_no_app(value)}", exit_code)


def _create_app(cls: type, name: str, exit_code: int) -> ASGIApp:
    if not issubclass(cls, App):
        wrong = "is a class, but not a subclass of micropie.App. If calling it returns the app, add --factory."
        raise LoadError(f"{name} {wrong}", exit_code)
    if cls is App:
        wrong = "is micropie.App itself, which has no URLs. Name a subclass of it, or an instance of a subclass."
        raise LoadError(f"{name} {wrong}", exit_code)
    if not _is_callable_with(cls, 0):
        wrong = f"cannot be created without arguments: it takes {_format_signature(cls)}."
        remedy = "Name an instance of it, or add --factory and name a function that returns one."
        raise LoadError(f"{name} {wrong} {remedy}", exit_code)
    with _convert_errors(f"{name} could not be created"):
        return cls()


def _explain_no_app(value: object) -> str:
    if not callable(value):
        return f"is {_describe_type(value)}, not an app. An app is an instance or a subclass of micropie.App."
    if _is_callable_with(value, 0):
        return "takes no arguments, so it is not an ASGI app. If it returns the app, add --factory."
    return f"takes {_format_signature(value)}, but an ASGI app takes ({', '.join(ASGI_PARAMETERS)})."


def _call_factory(value: object, name: str) -> object:
    if not callable(value):
        wrong = f"is {_describe_type(value)}. --factory needs the name of a function that returns the app."
    elif inspect.iscoroutinefunction(value):
        wrong = "is async, but no event loop runs yet. Make it a plain function, and await in a startup handler."
    elif _is_callable_with(value, 0):
        with _convert_errors(f"{name} failed"):
            return value()
    elif _is_callable_with(value, len(ASGI_PARAMETERS)):
        wrong = "is already an app, not a function that returns an app. Remove --factory."
    else:
        wrong = f"takes {_format_signature(value)}, but --factory calls it without arguments. Give them defaults."
    raise LoadError(f"{name} {wrong}", WRONG_USAGE)


def _is_callable_with(function: Callable[..., object], count: int) -> bool:
    """Return True if `function` can be called with `count` positional arguments, or if its signature is unknown."""
    try:
        _read_signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _format_signature(function: Callable[..., object]) -> str:
    return "(" + ", ".join(map(str, _read_signature(function).parameters)) + ")"


def _read_signature(function: Callable[..., object]) -> inspect.Signature:
    if isinstance(function, type) and issubclass(function, App):
        # App's metaclass accepts any arguments; the real parameters are those of __init__.
        return inspect.signature(MethodType(inspect.getattr_static(function, "__init__"), function))
    return inspect.signature(function)


def _describe_type(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


# Errors of the user's code, each as one line of that code


@contextmanager
def _convert_errors(failed: str) -> Generator[None, None, None]:
    """Convert each exception of the user's code into a LoadError that names what `failed` and the line."""
    try:
        yield
    except (LoadError, KeyboardInterrupt):
        raise
    except SetupError as error:
        raise LoadError(f"{failed}: {error}", NOT_STARTED) from error
    except BaseException as error:  # also SystemExit: the user's code failed, not this program
        remedy = next((f"\n{remedy}" for kind, remedy in REMEDIES if isinstance(error, kind)), "")
        raise LoadError(f"{failed}.\n{_summarize(error)}{remedy}", NOT_STARTED) from error


def _summarize(error: BaseException) -> str:
    """Return `file:line: ExceptionType: message` for the innermost line that the user wrote."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception as str_error:  # noqa: BLE001  (the __str__ of a user's exception may raise anything)
        message = f"its __str__ raised {type(str_error).__name__}"
    calls = _list_calls(error)
    # If the user wrote none of the lines (of an installed app, say), the innermost line of all is shown.
    own_calls = [call for call in calls if not call[0].startswith(("<", *LIBRARIES))] or calls
    place = "".join(f"{format_path(file)}:{line}: " for file, line in own_calls[-1:])
    return f"{place}{type(error).__name__}: {message}".removesuffix(": ")


def _list_calls(error: BaseException) -> list[tuple[str, int]]:
    """List file and line of each call that led to `error`, outermost first, without those of the import system."""
    calls = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        calls.append((error.filename, error.lineno))
    return [call for call in calls if not call[0].startswith(MACHINERY)]


def format_path(file: str) -> str:
    """Return `file` relative to the working directory if it is below it, else unchanged."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
