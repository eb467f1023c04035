"""These tests encode bodies: text and bytes as they are, and everything else as JSON."""

import pytest

from micropie.responses.encoding import encode_body
from tests.responses.bodies import BODIES


@pytest.mark.parametrize(("body", "payload", "content_type"), BODIES)
def test_body_is_encoded_as_text_or_json(body: object, payload: bytes, content_type: bytes | None) -> None:
    assert encode_body(body) == (payload, content_type)
