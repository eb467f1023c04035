"""These tests check the attributes of the session's cookie, and the hosts for which it is Secure."""

from typing import Any

import pytest

from micropie.config import SessionConfig
from micropie.sessions.session_cookie import build_session_cookie, is_secure_cookie


@pytest.mark.parametrize(
    ("config", "identifier", "secure", "header"),
    [
        ({}, "abc", True, "session_id=abc; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ({}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Lax"),
        ({}, None, True, "session_id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"),
        ({}, None, False, "session_id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        ({"cookie": "sid"}, "abc", False, "sid=abc; Path=/; HttpOnly; SameSite=Lax"),
        ({"path": "/app"}, "abc", False, "session_id=abc; Path=/app; HttpOnly; SameSite=Lax"),
        (
            {"domain": "example.com"},
            "abc",
            True,
            "session_id=abc; Path=/; Domain=example.com; HttpOnly; SameSite=Lax; Secure",
        ),
        (
            {"domain": "example.com", "path": "/app"},
            None,
            True,
            "session_id=; Path=/app; Domain=example.com; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ),
        ({"same_site": "Strict"}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Strict"),
        ({"same_site": "None"}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=None; Secure"),
        ({"secure": True}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ({"secure": False}, "abc", True, "session_id=abc; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_cookie_header_has_the_configured_attributes(
    config: dict[str, Any], identifier: str | None, secure: bool, header: str
) -> None:
    assert build_session_cookie(SessionConfig(**config), identifier, secure=secure) == ("Set-Cookie", header)


@pytest.mark.parametrize("character", list('\r\n\0\x1f\x7f\x80é\u2028 ",;\\'))
def test_identifier_that_a_cookie_cannot_carry_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match=r"^A session identifier cannot have"):
        build_session_cookie(SessionConfig(), f"abc{character}", secure=True)


def test_every_other_ascii_character_is_allowed_in_an_identifier() -> None:
    text = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
    assert build_session_cookie(SessionConfig(), text, secure=True)[1].startswith(f"session_id={text}; ")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost",
        "localhost.",
        "app.localhost",
        "a.b-c.localhost",
        "127.0.0.1",
        "127.1.2.3",
        "127.255.249.99",
        "[::1]",
    ],
)
@pytest.mark.parametrize("port", ["", ":", ":80", ":8000"])
def test_cookie_is_not_secure_over_unencrypted_loopback_only(host: str, port: str) -> None:
    assert is_secure_cookie("http", host + port) is False
    assert is_secure_cookie("ws", host + port) is False
    assert is_secure_cookie("https", host + port) is True
    assert is_secure_cookie("wss", host + port) is True


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "example.com:8000",
        "localhost.example.com",
        "notlocalhost",
        "my.notlocalhost",
        ".localhost",
        "a..localhost",
        "localhost..",
        "localhost:8000.example.com",
        "localhost:x",
        "localhost\n",
        "user@localhost",
        "localhoſt",
        "app\u3002localhost",
        "127.0.0.1.example.com",
        "127.example.com",
        "127.0.0.256",
        "127.0.0.300",
        "127.0.0",
        "127.0.0.1.1",
        "127x0x0x1",
        "127.0.0.١",
        "128.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "::1",
        "[::1",
        "[::2]",
        "[::1]x",
        "[::ffff:127.0.0.1]",
    ],
)
def test_cookie_is_secure_for_any_other_host(host: str) -> None:
    assert is_secure_cookie("http", host) is True
