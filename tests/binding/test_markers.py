"""A marker that would have no effect where it is written is refused when the app is created (SPEC 3)."""

from typing import Annotated, Any

import pytest

from micropie import Header, Query, UploadFile
from tests.binding.signatures import Album, Handler, assert_refused, positional


@pytest.mark.parametrize(
    ("handler", "options", "what", "remedy"),
    [
        (
            positional(Annotated[int, Query(), Header()]),
            {},
            "has more than one marker: Query, Header",
            "Keep one marker",
        ),
        (positional(tuple[UploadFile, ...]), {}, "neither JSON nor a form can carry this type", "Use UploadFile and"),
        (positional(Album), {}, "neither JSON nor a form can carry this type", "Use UploadFile and list[UploadFile]"),
        (positional(int, Query()), {}, "Query() must be inside Annotated[...]", "Write Annotated[T, Query()]"),
        (positional(int, Query), {}, "Query() must be inside Annotated[...]", "Write Annotated[T, Query()]"),
    ],
)
def test_marker_without_effect_is_refused_with_the_remedy(
    handler: Handler, options: dict[str, Any], what: str, remedy: str
) -> None:
    assert_refused(handler, options, what, remedy)
