"""Files that do not fit are refused."""

from typing import Annotated

import pytest

from micropie import App, File, UploadFile
from tests.support.asgi import (
    MULTIPART,
    form_data,
)

from .bad_input import SECRET, Picture, Sent, Target, cached_target, check, check_status, in_json, in_multipart, target


def a_file(content: bytes = b"x" * 10, kind: str = "image/png", name: str = "value") -> Sent:
    return Sent(body=form_data([(name, ("f.png", kind, content))]), headers=MULTIPART)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "image", "", "imagex/png", SECRET])
def test_file_of_another_type_is_refused(kind: str) -> None:
    for base in (UploadFile, list[UploadFile]):
        aim = target(Annotated[base, File(content_types=["image/png", "text/plain"])])
        wanted = "Expected a file of type image/png or text/plain"
        check_status(aim, a_file(kind=kind), 415, "Unsupported Media Type", wanted)


def test_file_that_is_too_large_is_refused_before_the_handler_or_where_it_reads() -> None:
    class Api(App):
        async def take(self, value: Annotated[UploadFile, File(max_size=9)]) -> None:
            calls.append(await value.read())

    calls: list[object] = []
    aim = Target(Api(), calls)
    whole = a_file().body
    assert isinstance(whole, bytes)
    for body in (whole, [whole[at : at + 1] for at in range(len(whole))]):
        response = Sent(body=body, headers=MULTIPART).to(aim.app)
        assert (response.status, calls) == (413, [])
    assert a_file(b"x" * 9).to(aim.app).status == 204


def test_truncated_upload_is_an_error_where_it_is_read() -> None:
    class Api(App):
        async def take(self, value: UploadFile) -> None:
            calls.append(await value.read())

    calls: list[object] = []
    whole = a_file(b"x" * 1000).body
    assert isinstance(whole, bytes)
    for cut in (whole[:-4], whole[:-500]):
        detail = "Malformed multipart body: it ends before its closing boundary"
        check_status(Target(Api(), calls), Sent(body=cut, headers=MULTIPART), 400, "Bad Request", detail)


def test_text_for_a_file_and_file_for_a_text_are_missing_values() -> None:
    missing = "Missing required parameter 'value'"
    check(cached_target(UploadFile), in_multipart([("value", SECRET)]), [(("file", "value"), missing)])
    check(cached_target(str), a_file(SECRET.encode()), [(("form", "value"), missing)])


def test_form_with_a_file_that_does_not_fit_is_refused() -> None:
    check(cached_target(Picture), in_multipart([("title", SECRET), ("image", SECRET)]), [
        (("form", "title"), "Expected text of length <= 5"), (("form", "image"), "Missing required parameter 'image'"),
    ])  # fmt: skip
    json = in_json('{"title":"a","image":"x"}')
    check(cached_target(Picture), json, [("/image", "Expected a file")])
