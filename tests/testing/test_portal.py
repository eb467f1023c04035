"""A plain client runs its app on one thread, which ends with the client."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from micropie.testing import (
    TestClient,
)
from micropie.types import Receive, Scope, Send

from .apps import Broken, answers, body, echo, start


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "micropie.testing"]


def test_call_runs_a_coroutine_on_the_apps_loop() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, str(id(asyncio.get_running_loop())).encode())

    async def loop_id(prefix: str, *, suffix: str) -> str:
        return f"{prefix}{id(asyncio.get_running_loop())}{suffix}"

    async def fails() -> None:
        raise Broken("in the test")

    with closing(TestClient(app)) as client:
        assert client.call(loop_id, "<", suffix=">") == f"<{client.get('/').text}>"
        with pytest.raises(Broken, match="in the test"):
            client.call(fails)


def test_use_of_a_plain_client_on_its_own_loop_is_refused() -> None:
    with closing(TestClient(answers())) as client:

        async def on_the_loop() -> None:
            client.get("/")

        with pytest.raises(RuntimeError, match="AsyncTestClient"):
            client.call(on_the_loop)


def test_client_has_one_thread_from_its_first_use_to_its_end() -> None:
    client = TestClient(answers())
    assert not loop_threads()
    client.get("/")
    client.get("/")
    assert len(loop_threads()) == 1
    client.close()
    assert not loop_threads()
    forgotten = TestClient(answers())
    forgotten.get("/")
    [thread] = loop_threads()
    del forgotten
    gc.collect()
    thread.join()


def test_client_may_be_collected_on_its_thread() -> None:
    clients = [TestClient(answers())]
    released = threading.Event()

    async def forget() -> None:
        await asyncio.to_thread(released.wait)
        clients.clear()
        gc.collect()

    async def forget_later() -> tuple[asyncio.Task[None], threading.Thread]:
        return asyncio.create_task(forget()), threading.current_thread()

    task, thread = clients[0].call(forget_later)
    released.set()
    thread.join()
    assert task.done()


def test_client_may_be_closed_on_its_own_thread() -> None:
    client = TestClient(answers())

    async def close() -> None:
        client.close()

    client.get("/")
    [thread] = loop_threads()
    with pytest.raises(RuntimeError, match="own event loop"):
        client.call(close)
    thread.join()
    client.close()


def fail(error: BaseException) -> bool:
    raise error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_system_exit_and_keyboard_interrupt_do_not_end_the_loop(error: BaseException) -> None:
    async def fails() -> None:
        raise error

    def pieces() -> Iterator[bytes]:
        yield from (_ for _ in [b"a"] if fail(error))

    with closing(TestClient(echo)) as client:
        actions: list[Callable[[], object]] = [
            lambda: client.call(fails),
            lambda: client.post("/", content=pieces()),
        ]
        for action in actions:
            with pytest.raises(RuntimeError, match="event loop") as raised:
                action()
            assert raised.value.__cause__ is error
        assert client.post("/", content=b"alive").content == b"alive"
