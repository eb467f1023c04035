"""A target names an app, and each mistake in a target or its module has its message and its exit code.

Loading is tested in this process.
"""

import os
import sys
from pathlib import Path

import pytest

from micropie.cli.loading import LoadError, hand_over, load_app, load_in_child, parse_target, report
from micropie.cli.run import try_loading

from .example_project import write

NULL_BYTE_ERROR = "ValueError" if sys.version_info < (3, 11, 4) else "SyntaxError"


@pytest.mark.parametrize(
    ("target", "factory", "kind"),
    [
        ("site_one:app", False, "Site"),
        ("site_one:Site", False, "Site"),
        ("site_one:holder.nested", False, "Site"),
        ("site_one:plain", False, "function"),
        ("site_one:Awaitable", False, "type"),
        ("site_one:compiled", False, "builtin_function_or_method"),
        ("package.pages:Pages", False, "Pages"),
        ("site_one:create", True, "Site"),
        ("site_one:create_class", True, "Site"),
        ("site_one:Site", True, "Site"),
    ],
)
@pytest.mark.usefixtures("in_project")
def test_target_names_an_app(target: str, factory: bool, kind: str) -> None:
    assert type(load_app(target, factory=factory, app_dir=".")).__name__ == kind


@pytest.mark.usefixtures("in_project")
def test_directory_is_first_on_the_import_path_and_there_only_once(tmp_path: Path) -> None:
    write(tmp_path, {"site_one.py": "async def app(scope, receive, send): ..."})
    for _ in range(2):
        assert type(load_app("site_one:app", factory=False, app_dir=str(tmp_path))).__name__ == "function"
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1
    del sys.modules["site_one"]


SHAPES = [
    ("app.py", "app:app"),
    ("main", "main:app"),
    ("main:", "main:app"),
    (":app", "main:app"),
    ("", "main:app"),
    ("src\\main.py:site", "--app-dir src main:site"),
    ("C:\\shop\\main.py:site", "--app-dir C:\\shop main:site"),
    ("C:main:site", "C:main"),
    ("main:1st", "main:app"),
    ("my-site:app", "main:app"),
    ("main.py:app", "main:app"),
    ("main:app:more", "main:app"),
    ("main:create()", "--factory main:create"),
    ("src/main.py:site", "--app-dir src main:site"),
    ("../shop/main.py", "--app-dir ../shop main:app"),
    ("main.:app", "main:app"),
]


@pytest.mark.parametrize(("target", "meant"), SHAPES)
def test_target_of_another_form_is_wrong_usage(target: str, meant: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_target(target)
    assert str(caught.value) == f"{target!r} is not of the form module:app. Did you mean {meant}?"
    assert caught.value.exit_code == 2


CANNOT_BE_LOADED = {
    "site_on:app": (
        "Module 'site_on' was not found in {here} or among the installed packages. Did you mean 'site_one'?"
    ),
    "sofa:app": (
        "Module 'sofa' was not found in {here} or among the installed packages. "
        "Give the directory that contains it: --app-dir DIRECTORY."
    ),
    "packge.pages:Pages": (
        "Module 'packge' was not found in {here} or among the installed packages. Did you mean 'package.pages'?"
    ),
    "package.page:Pages": "Module 'package.page' was not found in {here}/package. Did you mean 'package.pages'?",
    "package.sofa:Pages": (
        "Module 'package.sofa' was not found in {here}/package. "
        "Give the directory that contains it: --app-dir DIRECTORY."
    ),
    "site_one.app:app": (
        "Module 'site_one.app' cannot exist: 'site_one' is a module, not a package. Did you mean site_one:app?"
    ),
    "site_one:ap": "'site_one' (site_one.py) has no 'ap'. Did you mean site_one:app?",
    "site_one:plan": "'site_one' (site_one.py) has no 'plan'. Did you mean site_one:plain?",
    "site_one:holder.nestd": "'site_one' (site_one.py) has no 'holder.nestd'. Did you mean site_one:holder.nested?",
    "two_apps:zzz": (
        "'two_apps' (two_apps.py) has no 'zzz'. Its apps are two_apps:A, two_apps:first, two_apps:second."
    ),
    "no_app:zzz": "'no_app' (no_app.py) has no 'zzz'. It contains no app.",
    "folder:app": "'folder' (a directory without __init__.py) has no 'app'. It contains no app.",
    "site_one:holder.broken": "'site_one:holder.broken' could not be read.\nsite_one.py:15: RuntimeError: not now",
    "raises:app": (
        "'raises' could not be imported.\nraises.py:4: JSONDecodeError: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    ),
    "raises_silently:app": "'raises_silently' could not be imported.\nraises_silently.py:1: ValueError",
    "imports_absent:app": (
        "'imports_absent' could not be imported.\nimports_absent.py:1: "
        "ModuleNotFoundError: No module named 'absent_library'\nIs it installed for {python}?"
    ),
    "imports_broken:app": (
        "'imports_broken' could not be imported.\nbad_syntax.py:2: SyntaxError: '(' was never closed"
    ),
    "null_byte:app": (
        f"'null_byte' could not be imported.\n{NULL_BYTE_ERROR}: source code string cannot contain null bytes"
    ),
    "stops:app": "'stops' could not be imported.\nstops.py:1: GeneratorExit",
    "unspeakable:app": ("'unspeakable' could not be imported.\nunspeakable.py:3: Bad: its __str__ raised ValueError"),
    "sys:app": "'sys' (part of Python) has no 'app'. It contains no app.",
    "exits:app": (
        "'exits' could not be imported.\nexits.py:2: SystemExit: bye\n"
        "Move the code that runs the program below: if __name__ == '__main__':"
    ),
    "lacks_extra:app": (
        "'lacks_extra' could not be imported.\nlacks_extra.py:2: MissingDependency: "
        "It needs jinja2, which is not installed. "
        "Install it with: pip install 'micropie[standard]'"
    ),
    "bad_handlers:app": (
        "'bad_handlers' could not be imported: 1 handler cannot work:\n\nSite.index: cannot work\n    fix it"
    ),
    "site_one:Crash": "'site_one:Crash' could not be created.\nsite_one.py:28: KeyError: 'apple'",
    "--factory site_one:create_nothing": (
        "The result of 'site_one:create_nothing' is None, not an app. "
        "An app is an instance or a subclass of micropie.App."
    ),
    "--factory site_one:create_crash": (
        "'site_one:create_crash' failed.\nsite_one.py:41: ZeroDivisionError: division by zero"
    ),
    "--factory generated:create": "'generated:create' failed.\n<string>:1: ZeroDivisionError: division by zero",
}
"""Target → message, for mistakes that exit with 3."""


CANNOT_BE_MEANT = {
    "site_one:answer": (
        "'site_one:answer' is of type int, not an app. An app is an instance or a subclass of micropie.App."
    ),
    "site_one:nothing": "'site_one:nothing' is None, not an app. An app is an instance or a subclass of micropie.App.",
    "site_one:wsgi": ("'site_one:wsgi' takes (environ, start_response), but an ASGI app takes (scope, receive, send)."),
    "site_one:create": (
        "'site_one:create' takes no arguments, so it is not an ASGI app. If it returns the app, add --factory."
    ),
    "site_one:Other": (
        "'site_one:Other' is a class, but not a subclass of micropie.App. If calling it returns the app, add --factory."
    ),
    "site_one:App": (
        "'site_one:App' is micropie.App itself, which has no URLs. Name a subclass of it, or an instance of a subclass."
    ),
    "site_one:Shop": (
        "'site_one:Shop' cannot be created without arguments: it takes (database). "
        "Name an instance of it, or add --factory and name a function that returns one."
    ),
    "--factory site_one:answer": (
        "'site_one:answer' is of type int. --factory needs the name of a function that returns the app."
    ),
    "--factory site_one:app": (
        "'site_one:app' is already an app, not a function that returns an app. Remove --factory."
    ),
    "--factory site_one:Shop": (
        "'site_one:Shop' takes (database), but --factory calls it without arguments. Give them defaults."
    ),
    "--factory site_one:create_with": (
        "'site_one:create_with' takes (settings), but --factory calls it without arguments. Give them defaults."
    ),
    "--factory site_one:create_async": (
        "'site_one:create_async' is async, but no event loop runs yet. "
        "Make it a plain function, and await in a startup handler."
    ),
}
"""Target → message, for mistakes that exit with 2."""


@pytest.mark.parametrize(
    ("written", "message", "exit_code"),
    [(*mistake, 3) for mistake in CANNOT_BE_LOADED.items()] + [(*mistake, 2) for mistake in CANNOT_BE_MEANT.items()],
)
def test_each_mistake_has_its_message_and_its_exit_code(
    in_project: Path, written: str, message: str, exit_code: int
) -> None:
    target = written.removeprefix("--factory ")
    with pytest.raises(LoadError) as caught:
        load_app(target, factory=target != written, app_dir=".")
    assert str(caught.value) == message.replace("{here}", str(in_project)).replace("{python}", sys.executable)
    assert caught.value.exit_code == exit_code


@pytest.mark.usefixtures("in_project")
def test_error_names_every_handler_that_cannot_work() -> None:
    with pytest.raises(LoadError) as caught:
        load_app("unreadable:Site", factory=False, app_dir=".")
    assert str(caught.value).startswith("'unreadable:Site' could not be created: 2 problems in the app's handlers:")
    assert all(name in str(caught.value) for name in ("Site.one (value: complex)", "Site.two (value: complex)"))
    assert caught.value.exit_code == 3


def test_file_outside_the_working_directory_is_named_in_full(
    in_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError, match=f"{in_project}/raises.py:4"):
        load_app("raises:app", factory=False, app_dir=str(in_project))


def test_debug_adds_the_traceback_of_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    error = LoadError("It failed.", 3)
    error.__cause__ = ValueError("inside")
    report(error)
    assert capsys.readouterr().err == "Error: It failed.\n"
    report(error, debug=True)
    assert capsys.readouterr().err == "ValueError: inside\nError: It failed.\n"
    report(LoadError("Nothing behind it.", 3), debug=True)
    assert capsys.readouterr().err == "Error: Nothing behind it.\n"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.usefixtures("in_project", "environment")
def test_child_process_loads_the_target_that_was_handed_over() -> None:
    hand_over("site_one:create", factory=True, app_dir=".", debug=False)
    assert type(load_in_child()).__name__ == "Site"
    try_loading()


@pytest.mark.parametrize(("debug", "traceback"), [(False, False), (True, True)])
@pytest.mark.usefixtures("in_project", "environment")
def test_child_process_ends_with_the_message_when_there_is_no_app(
    debug: bool, traceback: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_over("raises:app", factory=False, app_dir=".", debug=debug)
    with pytest.raises(SystemExit) as caught:
        load_in_child()
    assert caught.value.code == 3
    error = capsys.readouterr().err
    assert error.count("Error: 'raises' could not be imported.\nraises.py:4: ") == 1
    assert ("Traceback" in error) is traceback


@pytest.mark.usefixtures("in_project", "environment")
def test_child_process_that_is_interrupted_while_it_loads_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    hand_over("interrupted:app", factory=False, app_dir=".", debug=False)
    with pytest.raises(SystemExit):
        try_loading()
    assert capsys.readouterr().err == ""
