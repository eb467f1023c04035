"""`micropie run` serves an app until it is interrupted, in real processes with real signals and sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from .example_project import PATIENCE, command_environment, micropie_command, write

SERVED = {
    "serving.py": """
        import json, os
        from micropie import App

        async def plain(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError("this app only serves HTTP")
            document = {"root_path": scope["root_path"], "client": scope["client"][0], "process": os.getpid()}
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(document).encode()})

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
    """A running `micropie run` process, its port and its log."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, **headers: str) -> Any:
        with urlopen(Request(f"http://127.0.0.1:{self.port}/", headers=headers), timeout=PATIENCE) as response:
            return json.load(response)

    def answers(self, expected: object = None) -> bool:
        """Return True if the server answers, with the expected response if one is given."""
        try:
            response = self.get()
        except OSError:
            return False
        return expected is None or bool(response == expected)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> int:
        """Send the signal and return the exit code. As in a terminal, SIGINT goes to every process of the group."""
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
            env=command_environment(PYTHONDONTWRITEBYTECODE="1", **environment),
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
def test_target_is_served_until_it_is_interrupted(
    site: Path, arguments: list[str], how: signal.Signals, expected: dict[str, str]
) -> None:
    with serving(site, *arguments) as served:
        served.wait_until(served.answers)
        response = served.get()
        assert {key: response[key] for key in expected} == expected
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
def test_forwarded_headers_are_trusted_only_from_declared_proxies(
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


def test_reload_serves_a_change_and_survives_a_broken_change(tmp_path: Path) -> None:
    module = tmp_path / "changing.py"

    def edit(returned: str) -> None:
        module.write_text(
            f"from micropie import App\nclass Site(App):\n    async def index(self):\n        return {returned}\n"
        )

    edit("['first']")
    with serving(tmp_path, "changing:Site", "--reload") as served:
        served.wait_until(lambda: served.answers(["first"]))
        # uvicorn starts to watch a quarter of a second after it has started the server, and misses earlier changes.
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
def test_failing_startup_exits_3(site: Path, more: list[str]) -> None:
    with serving(site, "serving:fails", *more) as served:
        assert served.process.wait(PATIENCE) == 3
        assert "no database" in served.log.read_text()
        assert "Traceback" not in served.log.read_text()


def test_port_in_use_exits_3_before_anything_is_loaded(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = micropie_command("run", "raises:app", "--port", port, cwd=project)
    remedy = "Stop the program that listens there, or choose another port with --port."
    assert (ended.returncode, ended.stderr) == (3, f"Error: Port {port} of 127.0.0.1 is in use. {remedy}\n")


@pytest.mark.parametrize("host", ["host.invalid", "192.0.2.1"])
def test_unusable_address_exits_3(site: Path, host: str) -> None:
    ended = micropie_command("run", "serving:app", "--host", host, cwd=site)
    assert ended.returncode == 3
    assert "ERROR" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=" ".join)
def test_interruption_while_the_app_is_imported_exits_0(site: Path, how: signal.Signals, more: list[str]) -> None:
    with serving(site, "slow:app", *more) as served:
        served.wait_until(lambda: "importing" in served.log.read_text())
        assert served.stop(how) == 0
        assert served.log.read_text() == "importing\n"
