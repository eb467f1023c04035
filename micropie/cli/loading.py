"""`module:app` on the command line → an ASGI app, or one precise sentence about why there is none.

Owns what a target may look like, where its module is looked for, and what each mistake on the way is called and how it
is mended. Knows neither click nor uvicorn: it raises `LoadError`, and the command line turns that into an exit code.
"""

import difflib
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

PROBLEMS: Final = 1
"""Exit code: what was asked for was done, and problems were found."""
WRONG_USAGE: Final = 2
"""Exit code: the command line asks for something that cannot be meant."""
NOT_STARTED: Final = 3
"""Exit code: the app could not be imported or started."""

VARIABLE: Final = "MICROPIE_RUN"
"""The environment variable that tells a process of its own what to load: a JSON object, see `hand_over`."""

ASGI_PARAMETERS: Final = ("scope", "receive", "send")
NAMES: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")

REMEDIES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ModuleNotFoundError, f"Is it installed for {sys.executable}?"),
    (SystemExit, "Put what runs the program under: if __name__ == '__main__':"),
)
"""What to say after the innermost line of an exception that is nearly always the same mistake."""

LIBRARIES: Final = tuple(
    f"{path}{os.sep}"
    for path in (Path(__file__).parents[1], *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
)
"""Directories whose code the user did not write."""
MACHINERY: Final = ("<frozen importlib", str(Path(importlib.__file__).parent), __file__)
"""What stands in a traceback only because a module was imported."""


class LoadError(Exception):
    """There is no app to work with. The message says what was found and the remedy; `exit_code` is the process's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Target:
    """`module:attribute`, either of which may be dotted."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def load_app(target: str, *, factory: bool, app_dir: str) -> ASGIApp:
    """The app that `target` names: an App, an App subclass (instantiated), any other ASGI 3 callable, or, with
    `factory`, what the named function returns. `app_dir` is put first on the import path.

    Raises LoadError for every mistake, with the exception behind it as `__cause__`.
    """
    wanted = parse_target(target)
    module = _import(wanted.module, app_dir)
    found = _attribute(module, wanted)
    if factory:
        made = _call_factory(found, repr(target))
        return _as_app(made, f"what {target!r} returned", NOT_STARTED)
    return _as_app(found, repr(target), WRONG_USAGE)


def load_micropie_app(target: str, *, factory: bool, app_dir: str) -> App:
    """The same, for what looks into an app: other ASGI callables are refused. Raises LoadError."""
    with redirect_prints():
        app = load_app(target, factory=factory, app_dir=app_dir)
    if isinstance(app, App):
        return app
    wrong = "is an ASGI app, but no micropie App, and only into those one can look."
    raise LoadError(f"{target!r} {wrong} Name an instance or a subclass of micropie.App.", WRONG_USAGE)


def redirect_prints() -> AbstractContextManager[object]:
    """For the user's code, which may print: standard output is for what the command has to say."""
    return redirect_stdout(sys.stderr)


def hand_over(target: str, *, factory: bool, app_dir: str, debug: bool) -> None:
    """Leave word in the environment for `load_in_child`, which servers call in processes of their own."""
    told = {"target": target, "factory": factory, "app_dir": app_dir, "debug": debug}
    os.environ[VARIABLE] = json.dumps(told)


def load_in_child() -> ASGIApp:
    """The app that `hand_over` spoke of. Ends the process with a message, not a traceback, when there is none."""
    told = json.loads(os.environ[VARIABLE])
    try:
        return load_app(told["target"], factory=told["factory"], app_dir=told["app_dir"])
    except LoadError as error:
        report(error, debug=told["debug"])
        sys.exit(error.exit_code)


def report(error: Exception, *, debug: bool = False) -> None:
    """Write `error` to standard error, and before it, with `debug`, the traceback of the exception behind it."""
    if debug and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)
    if sys.stderr is not None:
        sys.stderr.write(f"Error: {error}\n")


def parse_target(target: str) -> Target:
    """`module:attribute` in its two halves. Raises LoadError for any other shape, with the likely right one."""
    module, _, attribute = target.partition(":")
    # A package could have a module named `py`; what ends so is a file's name all the same.
    if NAMES.fullmatch(module) and NAMES.fullmatch(attribute) and not module.endswith(".py"):
        return Target(module, attribute)
    raise LoadError(f"{target!r} is not of the form module:app. Did you mean {_reshaped(target)}?", WRONG_USAGE)


def _reshaped(target: str) -> str:
    """`target` as it was probably meant: a file or a path becomes a module, a call becomes a factory."""
    drive, colon, rest = target[:1], target[1:2], target[2:]
    has_drive = drive.isalpha() and colon == ":" and rest[:1] in ("\\", "/")
    module, _, attribute = (rest if has_drive else target).partition(":")
    module = f"{drive}:{module}" if has_drive else module
    path = (PureWindowsPath if "\\" in module else PurePath)(module.removesuffix(".py"))
    directory = "" if path.parent == PurePath() else f"--app-dir {path.parent} "
    name = path.name if NAMES.fullmatch(path.name) else "main"
    named = NAMES.match(attribute)
    factory = "--factory " if attribute.endswith(")") else ""
    return f"{directory}{factory}{name}:{named[0] if named else 'app'}"


# Finding and importing the module


def _import(name: str, app_dir: str) -> ModuleType:
    directory = str(Path(app_dir).absolute())
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    with _users_code(f"{name!r} failed while it was imported"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            # Told apart from a missing module that the user's own code imports by who raised it.
            if _frames(error) or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise LoadError(_no_such_module(name, str(error.name), directory), NOT_STARTED) from error


def _no_such_module(name: str, missing: str, directory: str) -> str:
    """`name` could not be imported for want of `missing`, which is `name` itself or a package above it."""
    parent, _, last = missing.rpartition(".")
    if parent and not hasattr(sys.modules[parent], "__path__"):
        return f"There is no module {name!r}: {parent!r} is a module, not a package. Did you mean {parent}:{last}?"
    places = list(sys.modules[parent].__path__) if parent else [directory]
    close = difflib.get_close_matches(last, [module.name for module in iter_modules(places)], n=1)
    if close:
        meant = ".".join(filter(None, (parent, close[0], name[len(missing) + 1 :])))
        remedy = f"Did you mean {meant!r}?"
    else:
        remedy = "Name the directory that holds it with --app-dir."
    return f"There is no module {missing!r} in {', '.join(places)}{'' if parent else ' or installed'}. {remedy}"


def _attribute(module: ModuleType, target: Target) -> object:
    found: object = module
    so_far = ""
    for name in target.attribute.split("."):
        owner = found
        with _users_code(f"{str(target)!r} could not be read"):
            try:
                found = getattr(owner, name)
            except AttributeError as error:
                raise LoadError(_no_such_attribute(module, so_far, owner, name), NOT_STARTED) from error
        so_far += f"{name}."
    return found


def _no_such_attribute(module: ModuleType, so_far: str, owner: object, name: str) -> str:
    """`owner`, which is `module` or what `so_far` names in it, has no `name`."""
    # Static: a property of the owner is not evaluated to find out what else there is.
    members = {key: value for key, value in inspect.getmembers_static(owner) if not key.startswith("_")}
    apps = [key for key, value in members.items() if _is_app(value)]
    close = difflib.get_close_matches(name, apps, n=1) or difflib.get_close_matches(name, members, n=1)
    if close:
        remedy = f"Did you mean {module.__name__}:{so_far}{close[0]}?"
    elif apps:
        remedy = "The apps there are " + ", ".join(f"{module.__name__}:{so_far}{app}" for app in apps) + "."
    else:
        remedy = "There is no app in it."
    file = _file_of(module)
    return f"{module.__name__!r} ({file}) has no {so_far + name!r}. {remedy}"


def _file_of(module: ModuleType) -> str:
    if module.__spec__ is not None and module.__spec__.origin in ("built-in", "frozen"):
        return "part of Python"
    file = getattr(module, "__file__", None)
    return relative_path(file) if isinstance(file, str) else "a directory without __init__.py"


def _is_app(value: object) -> bool:
    return isinstance(value, App) or (isinstance(value, type) and issubclass(value, App) and value is not App)


# From what was found to an app


def _as_app(found: object, name: str, exit_code: int) -> ASGIApp:
    if isinstance(found, type) and not hasattr(found, "__await__"):
        return _instance(found, name, exit_code)
    if callable(found) and _accepts(found, len(ASGI_PARAMETERS)):
        return cast(ASGIApp, found)
    raise LoadError(f"{name} {_not_an_app(found)}", exit_code)


def _instance(cls: type, name: str, exit_code: int) -> ASGIApp:
    if not issubclass(cls, App):
        wrong = "is a class, but no subclass of micropie.App. If calling it makes the app, add --factory."
        raise LoadError(f"{name} {wrong}", exit_code)
    if cls is App:
        wrong = "is micropie's own App, which has no pages. Name your subclass of it, or an instance."
        raise LoadError(f"{name} {wrong}", exit_code)
    if not _accepts(cls, 0):
        wrong = f"cannot be created without arguments: it takes {_signature(cls)}."
        remedy = "Name an instance of it, or a function that returns one with --factory."
        raise LoadError(f"{name} {wrong} {remedy}", exit_code)
    with _users_code(f"{name} could not be created"):
        return cls()


def _not_an_app(found: object) -> str:
    if not callable(found):
        return f"is {_described(found)}, not an app. An app is an instance or a subclass of micropie.App."
    if _accepts(found, 0):
        return "takes no arguments, so it is no ASGI app. If it returns the app, add --factory."
    return f"takes {_signature(found)}; an ASGI app is called with ({', '.join(ASGI_PARAMETERS)})."


def _call_factory(found: object, name: str) -> object:
    if not callable(found):
        wrong = f"is {_described(found)}. --factory needs the name of a function that returns the app."
    elif inspect.iscoroutinefunction(found):
        wrong = "is async, and there is no event loop yet. Make it a plain function: startup handlers may await."
    elif _accepts(found, 0):
        with _users_code(f"{name} failed"):
            return found()
    elif _accepts(found, len(ASGI_PARAMETERS)):
        wrong = "is an app already, not a function that returns one. Leave out --factory."
    else:
        wrong = f"takes {_signature(found)}, and --factory calls it without arguments. Give them defaults."
    raise LoadError(f"{name} {wrong}", WRONG_USAGE)


def _accepts(function: Callable[..., object], count: int) -> bool:
    """Whether `function` can be called with `count` positional arguments. True when it does not say."""
    try:
        _called_with(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _signature(function: Callable[..., object]) -> str:
    return "(" + ", ".join(map(str, _called_with(function).parameters)) + ")"


def _called_with(function: Callable[..., object]) -> inspect.Signature:
    if isinstance(function, type) and issubclass(function, App):
        # Its metaclass takes anything; what it wants stands in __init__.
        return inspect.signature(MethodType(inspect.getattr_static(function, "__init__"), function))
    return inspect.signature(function)


def _described(found: object) -> str:
    return "None" if found is None else f"of type {type(found).__name__}"


# What the user's code raised, in one line of theirs


@contextmanager
def _users_code(failed: str) -> Generator[None, None, None]:
    """Turn whatever the user's code raises into a LoadError that says what `failed` and where."""
    try:
        yield
    except (LoadError, KeyboardInterrupt):
        raise
    except SetupError as error:
        raise LoadError(f"{failed}: {error}", NOT_STARTED) from error
    except BaseException as error:  # whatever it is, it is not this program that failed
        remedy = next((f"\n{remedy}" for kind, remedy in REMEDIES if isinstance(error, kind)), "")
        raise LoadError(f"{failed}.\n{_summary(error)}{remedy}", NOT_STARTED) from error


def _summary(error: BaseException) -> str:
    """`file:line: ExceptionType: message`, at the innermost line that the user wrote."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception as again:  # noqa: BLE001  (a user's exception may raise another when it is asked)
        message = f"its __str__ raised {type(again).__name__}"
    frames = _frames(error)
    # Where nothing is the user's own (an installed app, say), the innermost line of all is the best there is.
    own = [frame for frame in frames if not frame[0].startswith(("<", *LIBRARIES))] or frames
    place = "".join(f"{relative_path(file)}:{line}: " for file, line in own[-1:])
    return f"{place}{type(error).__name__}: {message}".removesuffix(": ")


def _frames(error: BaseException) -> list[tuple[str, int]]:
    """File and line of each call that led to `error`, outermost first, without the import system's own."""
    calls = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        calls.append((error.filename, error.lineno))
    return [call for call in calls if not call[0].startswith(MACHINERY)]


def relative_path(file: str) -> str:
    """`file` as the user would type it: relative where it is below the working directory."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
