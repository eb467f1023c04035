"""Headers about a session are added to those of a response, which may say something of caches itself."""

import logging

import pytest

from micropie.responses.cache_headers import PRIVATE, VARY, add_session_headers
from micropie.types import HeaderItems

COOKIE = ("Set-Cookie", "session_id=x")
WITH_COOKIE = (*PRIVATE, COOKIE)


@pytest.mark.parametrize(
    ("own", "added", "expected"),
    [
        ([], VARY, ["vary: Cookie"]),
        ([], PRIVATE, ["vary: Cookie", "cache-control: private, no-store"]),
        ([], WITH_COOKIE, ["vary: Cookie", "cache-control: private, no-store", "set-cookie: session_id=x"]),
        (["vary: Accept"], VARY, ["vary: Accept", "vary: Cookie"]),
        (["cache-control: max-age=5"], VARY, ["cache-control: max-age=5", "vary: Cookie"]),
        (["cache-control: max-age=5"], PRIVATE, ["cache-control: max-age=5", "vary: Cookie"]),
        (
            ["cache-control: private"],
            WITH_COOKIE,
            ["cache-control: private", "vary: Cookie", "set-cookie: session_id=x", "cache-control: no-store"],
        ),
        (
            ["cache-control: No-Store"],
            WITH_COOKIE,
            ["cache-control: No-Store", "vary: Cookie", "set-cookie: session_id=x"],
        ),
    ],
)
def test_headers_about_a_session_are_added_to_the_own_ones(
    own: list[str], added: HeaderItems, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert add(own, added) == expected
    assert caplog.records == []


@pytest.mark.parametrize("added", [VARY, PRIVATE, WITH_COOKIE])
@pytest.mark.parametrize("control", ["public", "max-age=60, Public", "public,max-age=60", "s-maxage=5 ,\tPUBLIC "])
def test_public_response_that_used_a_session_becomes_private_with_a_warning(
    control: str, added: HeaderItems, caplog: pytest.LogCaptureFixture
) -> None:
    own = [f"cache-control: {control}", "x-a: 1", "cache-control: max-age=1"]
    cookie = ["set-cookie: session_id=x"] if COOKIE in added else []
    assert add(own, added) == ["x-a: 1", "vary: Cookie", "cache-control: private, no-store", *cookie]
    [record] = caplog.records
    assert (record.levelno, "'/page'" in record.getMessage()) == (logging.WARNING, True)


def add(own: list[str], added: HeaderItems) -> list[str]:
    raw = [(name.encode(), value.encode()) for name, _, value in (line.partition(": ") for line in own)]
    return [f"{name.decode()}: {value.decode()}" for name, value in add_session_headers(raw, added, "/page")]
