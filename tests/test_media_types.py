"""A Content-Type announces the kind of body."""

import pytest

from micropie.media_types import Media, parse_content_type


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        ("application/json", Media.JSON),
        ("application/json; charset=utf-8", Media.JSON),
        (" Application/JSON ", Media.JSON),
        ("application/problem+json", Media.JSON),
        ("model/gltf+json;x=y", Media.JSON),
        ("application/x-www-form-urlencoded", Media.FORM),
        ("application/x-www-form-urlencoded;charset=UTF-8", Media.FORM),
        ("multipart/form-data; boundary=x", Media.MULTIPART),
        ("", Media.OTHER),
        ("text/plain", Media.OTHER),
        ("text/plain; application/json", Media.OTHER),
        ("application/json, text/plain", Media.OTHER),
        ("+json", Media.OTHER),
        ("multipart/mixed; boundary=x", Media.OTHER),
        ("application/jsonp", Media.OTHER),
    ],
)
def test_content_type_announces_the_kind_of_body(content_type: str, media: Media) -> None:
    assert parse_content_type(content_type) is media
