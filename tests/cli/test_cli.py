"""The command line: what a target may name, what each mistake is called, and how serving ends.

Loading is tested here in this process; what depends on signals, sockets and child processes runs as users run it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

import micropie
from micropie.cli import EXIT_CODES, main
from micropie.cli.loading import LoadError, hand_over, load_app, load_in_child, parse_target, report
from micropie.cli.run import try_loading

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds after which a process that should have answered or ended is taken for stuck."""

PROJECT = {
    "site_one.py": """
        from micropie import App

        class Site(App):
            async def index(self) -> str:
                return "site"

        class Shop(App):
            def __init__(self, database):
                pass

        class Holder:
            nested = Site()
            @property
            def broken(self):
                raise RuntimeError("not now")

        class Other:
            pass

        class Awaitable:
            def __init__(self, scope, receive, send):
                pass
            def __await__(self):
                yield

        class Crash(App):
            def __init__(self):
                self.prices = {}["apple"]

        app = Site()
        holder = Holder()
        answer = 42
        nothing = None
        compiled = max

        async def plain(scope, receive, send): ...
        def wsgi(environ, start_response): ...
        def create(): return app
        def create_class(): return Site
        def create_nothing(): pass
        def create_crash(): return 1 / 0
        def create_with(settings): return app
        async def create_async(): return app
    """,
    "no_app.py": "value = 1",
    "two_apps.py": "from micropie import App\nclass A(App): pass\nfirst = A()\nsecond = A()",
    "raises.py": "import json\n\ndef read():\n    return json.loads('{')\n\nread()",
    "raises_silently.py": "raise ValueError",
    "imports_absent.py": "import absent_library",
    "imports_broken.py": "import bad_syntax",
    "bad_syntax.py": "x = 1\ny = (",
    "null_byte.py": "x = '\0'",
    "interrupted.py": "raise KeyboardInterrupt",
    "stops.py": "raise GeneratorExit",
    "unspeakable.py": "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad",
    "prints.py": "print('hello')\nfrom site_one import app",
    "generated.py": "exec('def create(): return 1 / 0')",
    "exits.py": "import sys\nsys.exit('bye')",
    "lacks_extra.py": """
        from micropie.errors import MissingDependency
        raise MissingDependency("jinja2", "It", "standard")
    """,
    "bad_handlers.py": """
        from micropie.errors import SetupProblem, SetupError
        raise SetupError([SetupProblem("Site.index", "cannot work", "mend it")])
    """,
    "unreadable.py": """
        from micropie import App

        class Site(App):
            async def one(self, value: complex) -> str:
                return ""
            async def two(self, value: complex) -> str:
                return ""
    """,
    "package/__init__.py": "",
    "package/pages.py": "from micropie import App\nclass Pages(App): pass",
    "folder/notes.txt": "",
}


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(_dedent(text))


def _dedent(text: str) -> str:
    lines = text.strip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("project")
    write(directory, PROJECT)
    return directory


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project as the working directory; imports from it are forgotten afterwards."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path[:])
    known = set(sys.modules)
    yield project
    for name in set(sys.modules) - known:
        if str(project) in str(getattr(sys.modules[name], "__spec__", "")):
            del sys.modules[name]


# What a target may name


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
def test_a_target_names_an_app(target: str, factory: bool, kind: str) -> None:
    assert type(load_app(target, factory=factory, app_dir=".")).__name__ == kind


@pytest.mark.usefixtures("in_project")
def test_the_directory_is_first_on_the_import_path_and_there_only_once(tmp_path: Path) -> None:
    write(tmp_path, {"site_one.py": "async def app(scope, receive, send): ..."})
    for _ in range(2):
        assert type(load_app("site_one:app", factory=False, app_dir=str(tmp_path))).__name__ == "function"
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1
    del sys.modules["site_one"]


# What each mistake is called

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
def test_another_shape_than_module_and_attribute_is_wrong_usage(target: str, meant: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_target(target)
    assert str(caught.value) == f"{target!r} is not of the form module:app. Did you mean {meant}?"
    assert caught.value.exit_code == 2


CANNOT_BE_LOADED = {
    "site_on:app": "There is no module 'site_on' in {here} or installed. Did you mean 'site_one'?",
    "sofa:app": "There is no module 'sofa' in {here} or installed. Name the directory that holds it with --app-dir.",
    "packge.pages:Pages": "There is no module 'packge' in {here} or installed. Did you mean 'package.pages'?",
    "package.page:Pages": "There is no module 'package.page' in {here}/package. Did you mean 'package.pages'?",
    "package.sofa:Pages": (
        "There is no module 'package.sofa' in {here}/package. Name the directory that holds it with --app-dir."
    ),
    "site_one.app:app": (
        "There is no module 'site_one.app': 'site_one' is a module, not a package. Did you mean site_one:app?"
    ),
    "site_one:ap": "'site_one' (site_one.py) has no 'ap'. Did you mean site_one:app?",
    "site_one:plan": "'site_one' (site_one.py) has no 'plan'. Did you mean site_one:plain?",
    "site_one:holder.nestd": "'site_one' (site_one.py) has no 'holder.nestd'. Did you mean site_one:holder.nested?",
    "two_apps:zzz": (
        "'two_apps' (two_apps.py) has no 'zzz'. The apps there are two_apps:A, two_apps:first, two_apps:second."
    ),
    "no_app:zzz": "'no_app' (no_app.py) has no 'zzz'. There is no app in it.",
    "folder:app": "'folder' (a directory without __init__.py) has no 'app'. There is no app in it.",
    "site_one:holder.broken": "'site_one:holder.broken' could not be read.\nsite_one.py:15: RuntimeError: not now",
    "raises:app": (
        "'raises' failed while it was imported.\nraises.py:4: JSONDecodeError: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    ),
    "raises_silently:app": "'raises_silently' failed while it was imported.\nraises_silently.py:1: ValueError",
    "imports_absent:app": (
        "'imports_absent' failed while it was imported.\nimports_absent.py:1: "
        "ModuleNotFoundError: No module named 'absent_library'\nIs it installed for {python}?"
    ),
    "imports_broken:app": (
        "'imports_broken' failed while it was imported.\nbad_syntax.py:2: SyntaxError: '(' was never closed"
    ),
    "null_byte:app": (
        "'null_byte' failed while it was imported.\nSyntaxError: source code string cannot contain null bytes"
    ),
    "stops:app": "'stops' failed while it was imported.\nstops.py:1: GeneratorExit",
    "unspeakable:app": (
        "'unspeakable' failed while it was imported.\nunspeakable.py:3: Bad: its __str__ raised ValueError"
    ),
    "sys:app": "'sys' (part of Python) has no 'app'. There is no app in it.",
    "exits:app": (
        "'exits' failed while it was imported.\nexits.py:2: SystemExit: bye\n"
        "Put what runs the program under: if __name__ == '__main__':"
    ),
    "lacks_extra:app": (
        "'lacks_extra' failed while it was imported.\nlacks_extra.py:2: MissingDependency: "
        "It needs jinja2, which is not installed. "
        "Install it with: pip install 'micropie[standard]'"
    ),
    "bad_handlers:app": (
        "'bad_handlers' failed while it was imported: 1 handler cannot work:\n\nSite.index: cannot work\n    mend it"
    ),
    "site_one:Crash": "'site_one:Crash' could not be created.\nsite_one.py:28: KeyError: 'apple'",
    "--factory site_one:create_nothing": (
        "what 'site_one:create_nothing' returned is None, not an app. "
        "An app is an instance or a subclass of micropie.App."
    ),
    "--factory site_one:create_crash": (
        "'site_one:create_crash' failed.\nsite_one.py:41: ZeroDivisionError: division by zero"
    ),
    "--factory generated:create": "'generated:create' failed.\n<string>:1: ZeroDivisionError: division by zero",
}
"""Target and message, of what exits 3."""

CANNOT_BE_MEANT = {
    "site_one:answer": (
        "'site_one:answer' is of type int, not an app. An app is an instance or a subclass of micropie.App."
    ),
    "site_one:nothing": "'site_one:nothing' is None, not an app. An app is an instance or a subclass of micropie.App.",
    "site_one:wsgi": (
        "'site_one:wsgi' takes (environ, start_response); an ASGI app is called with (scope, receive, send)."
    ),
    "site_one:create": (
        "'site_one:create' takes no arguments, so it is no ASGI app. If it returns the app, add --factory."
    ),
    "site_one:Other": (
        "'site_one:Other' is a class, but no subclass of micropie.App. If calling it makes the app, add --factory."
    ),
    "site_one:App": (
        "'site_one:App' is micropie's own App, which has no pages. Name your subclass of it, or an instance."
    ),
    "site_one:Shop": (
        "'site_one:Shop' cannot be created without arguments: it takes (database). "
        "Name an instance of it, or a function that returns one with --factory."
    ),
    "--factory site_one:answer": (
        "'site_one:answer' is of type int. --factory needs the name of a function that returns the app."
    ),
    "--factory site_one:app": "'site_one:app' is an app already, not a function that returns one. Leave out --factory.",
    "--factory site_one:Shop": (
        "'site_one:Shop' takes (database), and --factory calls it without arguments. Give them defaults."
    ),
    "--factory site_one:create_with": (
        "'site_one:create_with' takes (settings), and --factory calls it without arguments. Give them defaults."
    ),
    "--factory site_one:create_async": (
        "'site_one:create_async' is async, and there is no event loop yet. "
        "Make it a plain function: startup handlers may await."
    ),
}
"""Target and message, of what exits 2."""


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
def test_every_handler_that_cannot_work_is_named_at_once() -> None:
    with pytest.raises(LoadError) as caught:
        load_app("unreadable:Site", factory=False, app_dir=".")
    assert str(caught.value).startswith("'unreadable:Site' could not be created: 2 problems in the app's handlers:")
    assert all(name in str(caught.value) for name in ("Site.one (value: complex)", "Site.two (value: complex)"))
    assert caught.value.exit_code == 3


def test_a_file_outside_the_working_directory_is_named_in_full(
    in_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadError, match=f"{in_project}/raises.py:4"):
        load_app("raises:app", factory=False, app_dir=str(in_project))


def test_debug_adds_the_traceback_of_what_was_raised(capsys: pytest.CaptureFixture[str]) -> None:
    error = LoadError("It failed.", 3)
    error.__cause__ = ValueError("inside")
    report(error)
    assert capsys.readouterr().err == "Error: It failed.\n"
    report(error, debug=True)
    assert capsys.readouterr().err == "ValueError: inside\nError: It failed.\n"
    report(LoadError("Nothing behind it.", 3), debug=True)
    assert capsys.readouterr().err == "Error: Nothing behind it.\n"


# Loading in another process


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.usefixtures("in_project", "environment")
def test_another_process_loads_what_was_handed_over() -> None:
    hand_over("site_one:create", factory=True, app_dir=".", debug=False)
    assert type(load_in_child()).__name__ == "Site"
    try_loading()


@pytest.mark.parametrize(("debug", "traceback"), [(False, False), (True, True)])
@pytest.mark.usefixtures("in_project", "environment")
def test_another_process_ends_with_the_message_when_there_is_no_app(
    debug: bool, traceback: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_over("raises:app", factory=False, app_dir=".", debug=debug)
    with pytest.raises(SystemExit) as caught:
        load_in_child()
    assert caught.value.code == 3
    error = capsys.readouterr().err
    assert error.count("Error: 'raises' failed while it was imported.\nraises.py:4: ") == 1
    assert ("Traceback" in error) is traceback


@pytest.mark.usefixtures("in_project", "environment")
def test_another_process_that_is_interrupted_while_it_loads_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    hand_over("interrupted:app", factory=False, app_dir=".", debug=False)
    with pytest.raises(SystemExit):
        try_loading()
    assert capsys.readouterr().err == ""


# The command itself


def micropie_command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "micropie", *arguments],
        cwd=cwd,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def _environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "output"),
    [
        (["--version"], 0, f"micropie {micropie.__version__}\n"),
        (["--help"], 0, "  run      Serve TARGET with uvicorn.\n"),
        (["run", "--help"], 0, "TARGET is module:app"),
    ],
)
def test_the_command_explains_itself(
    arguments: list[str],
    exit_code: int,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here(arguments, monkeypatch) == exit_code
    assert output in capsys.readouterr().out


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run `main` in this process, for what ends before anything is served. Returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["micropie", *arguments])
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    return caught.value.code


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "No such command 'serve'"),
        (["run"], "Missing argument 'TARGET'"),
        (["run", "site_one"], "Did you mean site_one:app?"),
        (["run", "site_one:app", "--port", "70000"], "70000 is not in the range"),
        (["run", "site_one:app", "--workers", "0"], "0 is not in the range"),
        (["run", "site_one:app", "--app-dir", "nowhere"], "Directory 'nowhere' does not exist"),
        (["run", "site_one:app", "--log-level", "loud"], "'loud' is not one of"),
        (["run", "site_one:app", "--reload", "--workers", "2"], "leave out --reload or --workers"),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(arguments, monkeypatch) == 2
    assert message in capsys.readouterr().err


def test_the_exit_codes_are_listed_in_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(["--help"], monkeypatch)
    assert EXIT_CODES in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("missing", ["click", "uvicorn"])
@pytest.mark.usefixtures("in_project")
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert run_here(["run", "site_one:app"], monkeypatch) == 3
    error = capsys.readouterr().err
    assert f"needs {missing}, which is not installed. Install it with: pip install 'micropie[standard]'" in error


@pytest.mark.parametrize("more", [[], ["--reload"], ["--workers", "2"]], ids=" ".join)
@pytest.mark.parametrize(
    ("target", "exit_code", "message"),
    [
        ("site_one:answer", 2, "Error: 'site_one:answer' is of type int, not an app."),
        ("raises:app", 3, "Error: 'raises' failed while it was imported.\nraises.py:4: JSONDecodeError: "),
    ],
)
def test_a_mistake_ends_the_command_with_one_message_and_no_traceback(
    project: Path, target: str, exit_code: int, message: str, more: list[str]
) -> None:
    ended = micropie_command("run", target, "--port", "0", *more, cwd=project)
    assert (ended.returncode, ended.stdout) == (exit_code, "")
    assert ended.stderr.startswith(message)
    assert [line for line in ended.stderr.splitlines() if line.startswith("Error: ")] == ended.stderr.splitlines()[:1]
    assert "Traceback" not in ended.stderr


def test_what_is_printed_while_the_app_is_loaded_is_no_part_of_the_answer(project: Path) -> None:
    ended = micropie_command("routes", "prints:app", "--format", "json", cwd=project)
    assert (ended.returncode, ended.stderr) == (0, "hello\n")
    assert [one["url"] for one in json.loads(ended.stdout)] == ["/"]


def test_what_a_terminal_has_no_letters_for_is_escaped(project: Path) -> None:
    asked = ["explain", "site_one:app", "/", "-H", "X-Name: \u2192"]
    told = micropie_command(*asked, cwd=project, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (told.returncode, told.stderr) == (0, "")
    ended = micropie_command(*asked, "--format", "json", cwd=project, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert ["X-Name", "\u2192"] in json.loads(ended.stdout)["request"]["headers"]


@pytest.mark.parametrize(
    ("command", "exit_code", "error"),
    [
        ("routes site_one:app > /dev/full", 2, "Error: What was found cannot be written: No space left on device.\n"),
        ("explain site_one:app / -d @- <&-", 2, "Error: Invalid value for -d: standard input is closed.\n"),
        ("shell site_one:app <&-", 0, ""),
        ("routes no_app:zzz 2>&-", 3, ""),
        ("routes site_one:app >&-", 0, ""),
        ("openapi site_one:app | head -n 1 > /dev/null", 0, ""),
    ],
)
def test_streams_may_be_closed_or_full(project: Path, command: str, exit_code: int, error: str) -> None:
    ended = subprocess.run(
        f"{sys.executable} -m micropie {command}", shell=True, cwd=project, env=_environment(), capture_output=True,
        text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (ended.returncode, "Traceback" in ended.stderr) == (exit_code, False)
    assert ended.stderr.endswith(error)
    assert bool(ended.stderr) is bool(error)


# Serving

SERVED = {
    "serving.py": """
        import json, os
        from micropie import App

        async def plain(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError("only HTTP is spoken here")
            told = {"root_path": scope["root_path"], "client": scope["client"][0], "process": os.getpid()}
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(told).encode()})

        class Site(App):
            async def index(self) -> dict[str, str]:
                return {"site": "ours"}

        def not_declared_async(scope, receive, send):
            return plain(scope, receive, send)

        async def fails(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        app = Site()

        def create():
            return Site
    """,
    "slow.py": """
        import sys, time
        sys.stderr.write("importing\\n")
        time.sleep(60)
    """,
}


@dataclass
class Served:
    """A `micropie run` of ours, and where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, **headers: str) -> Any:
        with urlopen(Request(f"http://127.0.0.1:{self.port}/", headers=headers), timeout=PATIENCE) as response:
            return json.load(response)

    def answers(self, expected: object = None) -> bool:
        """Whether there is an answer, and the expected one if any is."""
        try:
            answer = self.get()
        except OSError:
            return False
        return expected is None or bool(answer == expected)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> int:
        """Stop it as `kill` does, or as a terminal does: every process gets Ctrl-C. Returns the exit code."""
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(directory: Path, *arguments: str, **environment: str) -> Generator[Served, None, None]:
    port = free_port()
    log = directory / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "micropie", "run", *arguments, "--port", str(port)],
            cwd=directory,
            env=_environment(PYTHONDONTWRITEBYTECODE="1", **environment),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield Served(process, port, log)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path, SERVED)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "how", "expected"),
    [
        (["serving:app"], signal.SIGINT, {"site": "ours"}),
        (["serving:Site"], signal.SIGTERM, {"site": "ours"}),
        (["serving:create", "--factory"], signal.SIGINT, {"site": "ours"}),
        (["serving:plain", "--root-path", "/below"], signal.SIGTERM, {"root_path": "/below", "client": "127.0.0.1"}),
        (["serving:not_declared_async"], signal.SIGINT, {"root_path": ""}),
        (["serving:Site", "--reload"], signal.SIGINT, {"site": "ours"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_named_is_served_until_it_is_interrupted(
    site: Path, arguments: list[str], how: signal.Signals, expected: dict[str, str]
) -> None:
    with serving(site, *arguments) as served:
        served.wait_until(served.answers)
        answer = served.get()
        assert {key: answer[key] for key in expected} == expected
        assert served.stop(how) == 0
        assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "client"),
    [
        ([], "127.0.0.1"),
        (["--forwarded-allow-ips", "127.0.0.1"], "192.0.2.7"),
        (["--forwarded-allow-ips", "192.0.2.1"], "127.0.0.1"),
        (["--proxy-headers"], "192.0.2.7"),
        (["--no-proxy-headers", "--forwarded-allow-ips", "127.0.0.1"], "127.0.0.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_forwarded_headers_are_believed_only_from_declared_proxies(
    site: Path, arguments: list[str], client: str
) -> None:
    with serving(site, "serving:plain", *arguments) as served:
        served.wait_until(served.answers)
        assert served.get(**{"X-Forwarded-For": "192.0.2.7"})["client"] == client


def test_workers_share_the_address(site: Path) -> None:
    with serving(site, "serving:plain", "--workers", "2") as served:
        served.wait_until(served.answers)
        served.wait_until(lambda: served.log.read_text().count("Started server process") == 2)
        assert served.get()["process"] != served.process.pid
        assert served.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(("arguments", "children"), [([], True), (["--workers", "1"], False)])
def test_web_concurrency_is_the_number_of_workers_unless_it_is_given(
    site: Path, arguments: list[str], children: bool
) -> None:
    with serving(site, "serving:plain", *arguments, WEB_CONCURRENCY="2") as served:
        served.wait_until(served.answers)
        assert (served.get()["process"] != served.process.pid) is children
        assert served.stop(signal.SIGINT) == 0


def test_a_change_is_served_after_a_reload_and_a_broken_one_awaits_the_next(tmp_path: Path) -> None:
    module = tmp_path / "changing.py"

    def edit(returned: str) -> None:
        module.write_text(
            f"from micropie import App\nclass Site(App):\n    async def index(self):\n        return {returned}\n"
        )

    edit("['first']")
    with serving(tmp_path, "changing:Site", "--reload") as served:
        served.wait_until(lambda: served.answers(["first"]))
        # uvicorn begins to watch a quarter of a second after it started the server; what changes before is not seen.
        time.sleep(1)
        edit("['second']")
        served.wait_until(lambda: served.answers(["second"]))
        edit("(")
        served.wait_until(lambda: "changing.py:4: SyntaxError: '(' was never closed" in served.log.read_text())
        edit("['third']")
        served.wait_until(lambda: served.answers(["third"]))
        assert served.stop(signal.SIGTERM) == 0
        assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=" ".join)
def test_a_failing_startup_exits_3(site: Path, more: list[str]) -> None:
    with serving(site, "serving:fails", *more) as served:
        assert served.process.wait(PATIENCE) == 3
        assert "no database" in served.log.read_text()
        assert "Traceback" not in served.log.read_text()


def test_a_port_in_use_exits_3_before_anything_is_loaded(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = micropie_command("run", "raises:app", "--port", port, cwd=project)
    remedy = "Stop what listens there, or choose another with --port."
    assert (ended.returncode, ended.stderr) == (3, f"Error: Port {port} of 127.0.0.1 is in use. {remedy}\n")


@pytest.mark.parametrize("host", ["host.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_had_exits_3(site: Path, host: str) -> None:
    ended = micropie_command("run", "serving:app", "--host", host, cwd=site)
    assert ended.returncode == 3
    assert "ERROR" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=" ".join)
def test_an_interruption_while_the_app_is_imported_exits_0(site: Path, how: signal.Signals, more: list[str]) -> None:
    with serving(site, "slow:app", *more) as served:
        served.wait_until(lambda: "importing" in served.log.read_text())
        assert served.stop(how) == 0
        assert served.log.read_text() == "importing\n"
