# ruff: noqa: B006  (mutable defaults, which requests must not share, are part of what is tested)
"""A parameter can take uploaded files, by themselves or beside fields (SPEC 3, 6)."""

from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Depends, File, Form, UploadFile
from tests.binding.bound_values import bound_value
from tests.support.asgi import FORM, MULTIPART, RawHeaders, call, form_data

# --- uploads ----------------------------------------------------------------------------------------------------------


class Album(Struct):
    title: str
    cover: UploadFile
    pages: list[UploadFile] = []
    note: int | None = None


async def shown(file: UploadFile | None) -> object:
    return None if file is None else [file.filename, file.content_type, (await file.read()).decode()]


class Uploads(App):
    async def one(self, f: UploadFile, title: str = "") -> object:
        return {"v": [title, await shown(f)]}

    async def maybe(self, f: UploadFile | None = None) -> object:
        return {"v": await shown(f)}

    async def several(self, f: list[UploadFile] = []) -> object:
        return {"v": [await shown(file) for file in f]}

    async def album(self, album: Album) -> object:
        return {"v": [album.title, await shown(album.cover), [await shown(file) for file in album.pages], album.note]}

    async def limited(
        self, f: Annotated[UploadFile, File(alias="file", max_size=3, content_types=["image/*"])]
    ) -> object:
        return {"v": await shown(f)}

    async def each_limited(self, f: Annotated[list[UploadFile], File(max_size=3)]) -> object:
        return {"v": [await shown(file) for file in f]}

    async def form_over_query(self, title: Annotated[str, Form()], f: UploadFile) -> object:
        return {"v": title}


A, B = ("a.txt", "text/plain", b"aaa"), ("b.png", "image/png", b"bbb")


SHOWN_A, SHOWN_B = ["a.txt", "text/plain", "aaa"], ["b.png", "image/png", "bbb"]


@pytest.mark.parametrize(
    ("path", "parts", "value"),
    [
        ("/one", [("f", A), ("title", "x"), ("f", B)], ["x", SHOWN_A]),
        ("/one?title=q", [("f", A)], ["q", SHOWN_A]),
        ("/one", [("f", A)], ["", SHOWN_A]),
        ("/maybe", [("other", "x")], None),
        ("/maybe", [("f", A)], SHOWN_A),
        ("/several", [("f", A), ("x", "y"), ("f", B)], [SHOWN_A, SHOWN_B]),
        ("/several", [("x", "y")], []),
        ("/album", [("pages", A), ("cover", B), ("title", "x"), ("pages", B)],
         ["x", SHOWN_B, [SHOWN_A, SHOWN_B], None]),
        ("/album", [("cover", B), ("note", "5"), ("title", "x")], ["x", SHOWN_B, [], 5]),
        ("/limited", [("file", B)], SHOWN_B),
        ("/each_limited", [("f", A), ("f", B)], [SHOWN_A, SHOWN_B]),
        ("/form_over_query?title=q&f=q", [("f", A), ("title", "late")], "late"),
        ("/form_over_query", [("title", A), ("f", A), ("title", "text")], "text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [7, 10_000])
def test_files_and_fields_are_bound_in_any_order_and_any_pieces(
    path: str, parts: list[tuple[str, object]], value: object, size: int
) -> None:
    body = form_data(parts)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    response = call(Uploads(), "POST", path, pieces, MULTIPART)
    assert (response.status, response.json) == (200, {"v": value})


@pytest.mark.parametrize(
    ("path", "parts", "status", "text"),
    [
        ("/one", [("f", "a text")], 400, "400 Bad Request: Missing required parameter 'f'"),
        ("/limited", [("file", A)], 415, None),
        ("/limited", [("file", ("b.png", "image/png", b"bbbb"))], 413, None),
        ("/each_limited", [("f", ("b.png", "image/png", b"bbbb"))], 413, None),
        ("/album", [("title", "x"), ("cover", "x"), ("note", "y")], 400,
         "400 Bad Request: Missing required parameter 'cover'\n"
         "400 Bad Request: Invalid form parameter 'note': Expected an integer"),
    ],
)  # fmt: skip
def test_missing_or_unsuitable_file_is_refused(
    path: str, parts: list[tuple[str, object]], status: int, text: str | None
) -> None:
    response = call(Uploads(), "POST", path, form_data(parts), MULTIPART)
    assert response.status == status
    assert text is None or response.text == text


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (((b"content-type", b"multipart/form-data"),), "400 Bad Request: Missing boundary"),
        (((b"content-type", b"multipart/form-data; boundary="),), "400 Bad Request: Missing boundary"),
    ],
)
def test_missing_boundary_is_reported(headers: RawHeaders, text: str) -> None:
    response = call(Uploads(), "POST", "/one", b"x", headers)
    assert (response.status, response.text) == (400, text)


# --- an optional structure beside a file ------------------------------------------------------------------------------


class Note(Struct):
    text: str
    count: int = 1


def read_note(note: Note | None = None) -> object:
    return note


class Beside(App):
    async def file(self, note: Note | None = None, file: UploadFile | None = None) -> object:
        return {"v": [note, file is not None]}

    async def files(self, *, note: Note | None = None, files: list[UploadFile]) -> object:
        return {"v": [note, bool(files)]}

    async def field(self, name: Annotated[str, Form()], note: Note | None = None) -> object:
        return {"v": [note, bool(name)]}

    async def formed(self, file: UploadFile, note: Annotated[Note | None, Form()] = None) -> object:
        return {"v": [note, bool(file.filename)]}

    async def dependent(self, file: UploadFile, note: Annotated[object, Depends(read_note)]) -> object:
        return {"v": [note, bool(file.filename)]}

    async def alone(self, note: Note | None = None) -> object:
        return {"v": note}


FILE = ("a.txt", "text/plain", b"data")
OWN_NAME = {"file": "file", "files": "files", "field": "name", "formed": "file", "dependent": "file"}


@pytest.mark.parametrize("path", OWN_NAME)
def test_optional_structure_has_its_default_where_only_its_neighbour_is_sent(path: str) -> None:
    own: Any = "x" if path == "field" else FILE
    for other in ({}, {"unrelated": "1"}):
        body = form_data({OWN_NAME[path]: own, **other})
        assert bound_value("POST", f"/{path}", body, MULTIPART, Beside()) == [None, True]
    body = form_data({OWN_NAME[path]: own, "text": "hi"})
    assert bound_value("POST", f"/{path}", body, MULTIPART, Beside()) == [{"text": "hi", "count": 1}, True]


@pytest.mark.parametrize("path", OWN_NAME)
def test_optional_structure_is_checked_once_one_of_its_names_is_sent(path: str) -> None:
    own: Any = "x" if path == "field" else FILE
    answer = call(Beside(), "POST", f"/{path}", form_data({OWN_NAME[path]: own, "count": "x"}), MULTIPART)
    assert answer.text.splitlines() == [
        "400 Bad Request: Missing required parameter 'text'",
        "400 Bad Request: Invalid form parameter 'count': Expected an integer",
    ]


def test_optional_structure_alone_must_fit_the_form() -> None:
    assert call(Beside(), "POST", "/alone", b"txt=hi", FORM).status == 400
