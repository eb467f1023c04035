"""A type is described by what it expects, as JSON and as text."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta
from msgspec import inspect as mi

from micropie.conversion.error_wording import describe_expected, describe_expected_text
from micropie.uploads.upload_file import UploadFile
from tests.conversion.examples import Pair, Row, User
from tests.support.shared_types import Address, Colour, Level, Point, Todo, Wheel


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "an integer"),
        (float, "a number"),
        (Decimal, "a decimal number"),
        (bool, "a boolean"),
        (str, "text"),
        (bytes, "base64 text"),
        (bytearray, "base64 text"),
        (memoryview, "base64 text"),
        (UUID, "a UUID"),
        (datetime, "an RFC 3339 date and time"),
        (date, "an RFC 3339 date"),
        (time, "an RFC 3339 time"),
        (timedelta, "an ISO 8601 duration"),
        (None, "null"),
        (Any, "a value"),
        (Colour, "one of 'red', 'blue'"),
        (Level, "one of 1, 2"),
        (Literal["b", "a", 1], "one of 1, 'a', 'b'"),
        (Literal[True, None], "one of null, true"),
        (Literal[False], "one of false"),
        (int | None, "an integer or null"),
        (int | str, "an integer or text"),
        (Annotated[int, Meta(ge=1, le=5)], "an integer >= 1 and <= 5"),
        (Annotated[int, Meta(gt=1, lt=5)], "an integer > 1 and < 5"),
        (Annotated[int, Meta(multiple_of=5)], "an integer a multiple of 5"),
        (Annotated[str, Meta(min_length=1, max_length=5)], "text of length >= 1 and <= 5"),
        (Annotated[str, Meta(pattern="^a$")], "text matching '^a$'"),
        (Annotated[datetime, Meta(tz=True)], "an RFC 3339 date and time with a UTC offset"),
        (Annotated[datetime, Meta(tz=False)], "an RFC 3339 date and time without a UTC offset"),
        (Annotated[int, Meta(title="Age", description="in years", ge=0)], "an integer >= 0"),
        (list[int], "an array"),
        (Annotated[list[int], Meta(max_length=3)], "an array of length <= 3"),
        (tuple[int, str], "an array of length 2"),
        (Pair, "an array of length 2"),
        (Point, "an array of length 1 to 2"),
        (Row, "an array"),
        (dict[str, int], "an object"),
        (Todo, "an object"),
        (User, "an object"),
        (Address, "an object"),
        (Wheel, "an object"),
        (UploadFile, "a file"),
    ],
)
def test_type_is_described_by_the_json_that_it_expects(annotation: Any, words: str) -> None:
    assert describe_expected(mi.type_info(annotation)) == words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | None, "an integer"),
        (int | str | None, "an integer or text"),
        (bytes, "text"),
        (Annotated[bytes, Meta(max_length=3)], "text of length <= 3"),
        (Literal["a", None], "one of 'a'"),
        (list[int], "values, each an integer"),
        (list[int | None] | None, "values, each an integer"),
        (Annotated[set[bytes], Meta(min_length=1)], "values of length >= 1, each text"),
        (tuple[int, str], "2 values: an integer, text"),
    ],
)
def test_type_is_described_by_the_text_that_it_expects(annotation: Any, words: str) -> None:
    assert describe_expected_text(mi.type_info(annotation)) == words
