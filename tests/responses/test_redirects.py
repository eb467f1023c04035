"""These tests build redirects, and refuse locations that lead elsewhere than they seem to."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.responses.redirects import build_redirect

# location, what is sent
LOCATIONS = [
    ("/", "/"),
    ("", ""),
    ("?page=2", "?page=2"),
    ("#top", "#top"),
    ("next/one", "next/one"),
    ("../up", "../up"),
    ("/a b", "/a%20b"),
    ("/café?q=ü#é", "/caf%C3%A9?q=%C3%BC#%C3%A9"),
    ("/a%20b%2Fc", "/a%20b%2Fc"),
    ("/100%", "/100%25"),
    ("/%zz%4", "/%25zz%254"),
    ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
    ("/a\\b", "/a%5Cb"),
    ("  /a ", "/a"),
    ("/a?next=//b&u=http://c:8/[1]!$&'()*+,;=-._~", "/a?next=//b&u=http://c:8/[1]!$&'()*+,;=-._~"),
    ("/a//b", "/a//b"),
    ("https://example.com/ü", "https://example.com/%C3%BC"),
    ("HTTP://example.com", "HTTP://example.com"),
    ("/time/12:30", "/time/12:30"),
]

DISGUISED = [
    "//host", "///host", "/\\host", "\\/host", "\\\\host", " //host", "javascript:alert(1)", "JavaScript:x", "data:,x",
    "mailto:a@b", "ftp://host/", "x+y-z.1:what",
]  # fmt: skip


@pytest.mark.parametrize(("location", "sent"), LOCATIONS)
def test_location_is_percent_encoded(location: str, sent: str) -> None:
    assert build_redirect(location) == (302, "", [("Location", sent)])


@pytest.mark.parametrize("location", DISGUISED)
def test_disguised_location_is_refused_unless_external(location: str) -> None:
    with pytest.raises(ValueError, match="pass external=True if that is meant"):
        build_redirect(location)
    status, _, [(name, _)] = build_redirect(location, external=True)
    assert (status, name) == (302, "Location")


@pytest.mark.parametrize(
    "location", ["/a\r\nSet-Cookie: b=c", "/\t/host", "/\n/host", "\t//host", "/\0", "\x1f//host", "/\x7f"]
)
@pytest.mark.parametrize("external", [False, True])
def test_control_character_in_a_location_is_always_refused(location: str, external: bool) -> None:
    with pytest.raises(ValueError, match="control character"):
        build_redirect(location, external=external)


def test_location_without_an_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        build_redirect("/\ud800")


def test_further_headers_follow_the_location() -> None:
    further = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert build_redirect("/x", further)[2] == [("Location", "/x"), *further]
    assert further == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("/\\:@?#%. \t\r\n")), max_size=20))
def test_location_never_leads_to_a_host_that_it_does_not_name(location: str) -> None:
    try:
        _, _, [(_, sent)] = build_redirect(location)
    except ValueError:
        return
    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent
    parts = urlsplit(sent.replace("\\", "/"))
    assert parts.scheme in ("", "http", "https")
    assert parts.scheme or not parts.netloc
    assert unquote(sent) == unquote(location.strip(" "))
