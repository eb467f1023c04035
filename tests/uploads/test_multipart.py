"""These tests check what of a multipart body is read, what is refused, and what that costs, however it is cut."""

import asyncio
import sys
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from micropie.config import KIB, Limits
from micropie.errors import BadRequest, MissingDependency, UploadError
from micropie.uploads.multipart import MultipartBody
from tests.support.event_loop import run
from tests.uploads.bodies import (
    BOUNDARY,
    END,
    OCTETS,
    SMALL,
    Feed,
    Pieces,
    chop,
    cut_at,
    field,
    first_file,
    open_body,
    part,
    read_all,
    status_of_run,
    upload,
)

# Well-formed bodies, with their fields and files.

WELL_FORMED: dict[str, tuple[bytes, dict[str, list[str]], dict[str, list[tuple[str, str, bytes]]]]] = {
    "nothing but the closing boundary": (END, {}, {}),
    "one field": (field("a", b"1") + END, {"a": ["1"]}, {}),
    "an empty field": (field("a", b"") + END, {"a": [""]}, {}),
    "a field without a name to speak of": (field("", b"1") + END, {"": ["1"]}, {}),
    "repeated names keep their order": (
        field("a", b"2") + field("b", b"x") + field("a", b"1") + END,
        {"a": ["2", "1"], "b": ["x"]},
        {},
    ),
    "text beyond ASCII, in name and value": (field("größe", "5 €".encode()) + END, {"größe": ["5 €"]}, {}),
    "a quote in a name": (field("a%22b", b"1") + END, {'a"b': ["1"]}, {}),
    "a field with a type": (
        part('Content-Disposition: form-data; name="a"', "Content-Type: application/json", content=b"{}") + END,
        {"a": ["{}"]},
        {},
    ),
    "one file": (upload("f", b"data", "a.png", "image/png") + END, {}, {"f": [("a.png", "image/png", b"data")]}),
    "a file of no bytes": (upload("f", b"") + END, {}, {"f": [("a.bin", OCTETS, b"")]}),
    "a file input left empty": (upload("f", b"", "") + field("a", b"1") + END, {"a": ["1"]}, {}),
    "content without a file name": (upload("f", b"data", "") + END, {}, {"f": [("", OCTETS, b"data")]}),
    "a field after a file": (
        upload("f", b"data") + field("a", b"1") + END,
        {"a": ["1"]},
        {"f": [("a.bin", OCTETS, b"data")]},
    ),
    "two files of one name": (
        upload("f", b"1", "x") + upload("f", b"2", "y") + END,
        {},
        {"f": [("x", OCTETS, b"1"), ("y", OCTETS, b"2")]},
    ),
    "a type with parameters, in capitals": (
        upload("f", b"", "x", "Text/Plain; charset=UTF-8") + END,
        {},
        {"f": [("x", "text/plain", b"")]},
    ),
    "a type that is malformed": (upload("f", b"", "x", "image") + END, {}, {"f": [("x", OCTETS, b"")]}),
    "a file name with a Unix path": (upload("f", b"", "/etc/passwd") + END, {}, {"f": [("passwd", OCTETS, b"")]}),
    "a file name with a Windows path": (upload("f", b"", "C:\\x\\y.txt") + END, {}, {"f": [("y.txt", OCTETS, b"")]}),
    "a file name that climbs": (upload("f", b"", "..\\../.x") + END, {}, {"f": [(".x", OCTETS, b"")]}),
    "a file name beyond ASCII": (
        upload("f", b"", "naïve 👩‍🚀.png") + END,
        {},
        {"f": [("naïve 👩‍🚀.png", OCTETS, b"")]},
    ),
    "line ends in content": (upload("f", b"\r\n\n\r\r\n") + END, {}, {"f": [("a.bin", OCTETS, b"\r\n\n\r\r\n")]}),
    "content that nearly is a boundary": (
        upload("f", b"\r\n--frontie\r\n--\r\n-frontier\r\n--fron") + END,
        {},
        {"f": [("a.bin", OCTETS, b"\r\n--frontie\r\n--\r\n-frontier\r\n--fron")]},
    ),
    "every byte there is": (upload("f", bytes(range(256))) + END, {}, {"f": [("a.bin", OCTETS, bytes(range(256)))]}),
    "an empty line in front": (b"\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "a preamble": (b"This is MIME.\r\n--front\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "a boundary inside a preamble's line": (b"12345678--frontier\r\n\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "an epilogue": (field("a", b"1") + END + field("a", b"2") + b"--frontier", {"a": ["1"]}, {}),
    "no line end at the end": (field("a", b"1") + END[:-2], {"a": ["1"]}, {}),
    "a length that is right": (
        part('Content-Disposition: form-data; name="a"', "Content-Length: 2", content=b"12") + END,
        {"a": ["12"]},
        {},
    ),
    "headers that no reader needs": (
        part("X-Any: thing", 'content-disposition: Form-Data; x=y; name=a; filename="b"', content=b"1") + END,
        {},
        {"a": [("b", OCTETS, b"1")]},
    ),
}

# Malformed bodies, with the status of the response.

MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no boundary anywhere": (b"a=1&b=2" * 20, 400),
    "another boundary": ((field("a", b"1") + END).replace(b"frontier", b"border"), 400),
    "a longer boundary": (field("a", b"1").replace(b"frontier", b"frontiers") + END, 400),
    "something behind a boundary": (field("a", b"1") + b"--frontier!\r\n\r\n" + END, 400),
    "bare line feeds": ((field("a", b"1") + END).replace(b"\r\n", b"\n"), 400),
    "no closing boundary": (field("a", b"1") + b"--frontier\r\n", 400),
    "a part without headers": (b"--frontier\r\n\r\n1\r\n" + END, 400),
    "a part that is not form data": (part('Content-Disposition: attachment; name="a"') + END, 400),
    "a part without a name": (part("Content-Disposition: form-data") + END, 400),
    "a header without a colon": (part('Content-Disposition: form-data; name="a"', "nonsense") + END, 400),
    "a header's name with a space": (part('Content-Disposition: form-data; name="a"', "a b: c") + END, 400),
    "a folded header": (part("Content-Disposition: form-data;", ' name="a"') + END, 400),
    "a header that is not UTF-8": (field("ä", b"1").replace(b"\xc3", b"") + END, 400),
    "a line feed in a header": (part('Content-Disposition: form-data; name="a"\nX: y') + END, 400),
    "a carriage return in a header": (part('Content-Disposition: form-data; name="a\rb"') + END, 400),
    "NUL in a field's name": (field("a\0b", b"1") + END, 400),
    "NUL in a file's name": (upload("f", b"1", "a\0.png") + END, 400),
    "a control character in a file's name": (upload("f", b"1", "a\x1b.png") + END, 400),
    "a line end smuggled into a file's name": (upload("f", b"1", "a%0D%0AX: y") + END, 400),
    "a directory for a file's name": (upload("f", b"1", "..") + END, 400),
    "a path without a file": (upload("f", b"1", "a/b/") + END, 400),
    "a length that is too small": (
        part('Content-Disposition: form-data; name="a"', "Content-Length: 1", content=b"12") + END,
        400,
    ),
    "a length that is too large": (
        part('Content-Disposition: form-data; name="a"', "Content-Length: 3", content=b"12") + END,
        400,
    ),
    "a flood of headers": (part('Content-Disposition: form-data; name="a"', *["X-A: b"] * 8) + END, 413),
    "a header that does not end": (b"--frontier\r\nX-A: " + b"b" * 5000, 413),
    "a header that ends late": (part("X-A: " + "b" * 5000) + END, 413),
    "a flood of parts": (field("a", b"1") * 41 + END, 413),
    "a flood of files": (upload("f", b"1") * 41 + END, 413),
    "a field over its limit": (field("a", b"1" * 501) + END, 413),
    "fields over the limit of a body": (field("a", b"1" * 400) * 3 + END, 413),
    "a length over the limit": (
        part('Content-Disposition: form-data; name="f"; filename="f"', "Content-Length: 9999999999") + END,
        413,
    ),
}


@pytest.mark.parametrize("case", WELL_FORMED)
def test_well_formed_body_is_read_however_the_network_cuts_it(case: str) -> None:
    data, *expected = WELL_FORMED[case]
    for size in (len(data), 1, 2, 7):
        assert list(run(read_all(open_body(chop(data, size))))) == expected


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_body_is_refused_however_the_network_cuts_it(case: str) -> None:
    data, status = MALFORMED[case]
    for size in (len(data) + 1, 1, 2, 7):
        assert status_of_run(read_all(open_body(chop(data, size), **SMALL))) == status


@given(case=st.sampled_from(sorted(WELL_FORMED)), places=st.lists(st.integers(0, 9999), max_size=12))
@settings(deadline=None)
def test_random_cuts_do_not_change_what_is_read(case: str, places: list[int]) -> None:
    data, *expected = WELL_FORMED[case]
    assert list(run(read_all(open_body(cut_at(data, places), part_memory=3)))) == expected


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"\xff", "Expected UTF-8 text"),
        (b"\xe2\x82", "Expected UTF-8 text"),
        (b"1\x002", "Expected text without NUL"),
    ],
)
def test_only_reading_a_field_that_is_not_text_is_refused(content: bytes, detail: str) -> None:
    data = field("a", b"1") + field("a", content) + field("a", b"3") + field("b", "é".encode()) + END
    for step in (len(data), 1):
        fields, _ = run(read_all(open_body(chop(data, step))))
        assert fields["b"] == ["é"]
        with pytest.raises(BadRequest, match=f"Invalid form parameter 'a': {detail}"):
            list(fields["a"])


@given(case=st.sampled_from(sorted(MALFORMED)), places=st.lists(st.integers(0, 9999), max_size=12))
@settings(deadline=None)
def test_random_cuts_do_not_change_what_is_refused(case: str, places: list[int]) -> None:
    data, status = MALFORMED[case]
    assert status_of_run(read_all(open_body(cut_at(data, places), part_memory=3, **SMALL))) == status


FRAGMENTS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"frontier", b"\r\n--fron", b"\0", b"x" * 40]
)
CONTENTS = (
    st.lists(FRAGMENTS | st.binary(max_size=6), max_size=12)
    .map(b"".join)
    .filter(lambda content: b"\r\n--frontier" not in b"\r\n" + content + b"\r\n")
)


@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
    places=st.lists(st.integers(0, 9999), max_size=12),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    memory=st.sampled_from([0, 1, 20, 1000]),
    together=st.booleans(),
)
@example(contents=[b"x" * 40] * 3, order=Random(1), places=[100], sizes=[7], memory=0, together=False)
@settings(deadline=None, max_examples=200)
def test_files_read_in_any_order_and_any_pieces_are_what_was_sent(
    contents: list[bytes], order: Random, places: list[int], sizes: list[int], memory: int, together: bool
) -> None:
    data = b"".join(upload(str(i), content) for i, content in enumerate(contents)) + END

    async def read(body: MultipartBody, name: str) -> bytes:
        file = await first_file(body, name)
        content = b""
        turn = 0
        while chunk := await file.read(sizes[turn % len(sizes)]):
            assert len(chunk) == sizes[turn % len(sizes)] or file.complete
            content += chunk
            turn += 1
        assert await file.read() == b""
        assert file._buffer.held == 0
        return content

    async def scenario() -> dict[str, bytes]:
        body = open_body(cut_at(data, places), part_memory=memory)
        names = [str(i) for i in range(len(contents))]
        order.shuffle(names)
        try:
            if together:
                return dict(zip(names, await asyncio.gather(*(read(body, name) for name in names)), strict=True))
            return {name: await read(body, name) for name in names}
        finally:
            await body.close()

    assert run(scenario()) == {str(i): content for i, content in enumerate(contents)}


@pytest.mark.parametrize(
    "data",
    [
        field("a", b"1") * 40 + END,
        field("a", b"1" * 500) * 2 + END,
        upload("f", b"1" * 5000) + END,
    ],
    ids=["parts", "fields", "files are not fields"],
)
def test_body_just_within_the_limits_is_read(data: bytes) -> None:
    run(read_all(open_body([data], **SMALL)))


@pytest.mark.parametrize("boundary", ["", "a\nb", "a\r\nb", "a ", "ä", b"\xff", "x" * 71, "a;b"])
def test_invalid_boundary_is_refused(boundary: str | bytes) -> None:
    with pytest.raises(UploadError, match="Invalid boundary") as raised:
        MultipartBody(Feed([]), boundary, Limits())
    assert raised.value.status == 400


def test_any_valid_boundary_delimits_parts() -> None:
    for boundary in ("x", "a b", "'()+_,-./:=?", b"----WebKitFormBoundary7MA4YWxkTrZu0gW", "-" * 70):
        text = boundary.decode() if isinstance(boundary, bytes) else boundary
        data = (field("a", b"1") + END).replace(b"frontier", text.encode())
        assert run(read_all(MultipartBody(Feed(chop(data, 3)), boundary, Limits())))[0] == {"a": ["1"]}


def test_missing_parser_package_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", None)
    with pytest.raises(MissingDependency, match=r"pip install 'micropie\[standard\]'"):
        MultipartBody(Feed([]), BOUNDARY, Limits())


def count_calls(pieces: Pieces, **limits: int) -> int:
    """Count the calls, to Python and C functions, while the body is received and all its files are read."""
    count = 0

    def profiler(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    async def scenario() -> None:
        body = open_body(pieces, **limits)
        sys.setprofile(profiler)
        try:
            await read_all(body)
        finally:
            sys.setprofile(None)

    run(scenario())
    return count


COSTS: dict[str, Callable[[int], Pieces]] = {
    "tiny fields": lambda n: [field("a", b"1") * n + END],
    "tiny fields of 1-byte pieces": lambda n: chop(field("a", b"1") * (n // 40) + END, 1),
    "tiny files": lambda n: [upload("f", b"1") * n + END],
    "1-byte pieces of a file": lambda n: chop(upload("f", b"x" * n) + END, 1),
    "1-byte pieces of a field": lambda n: chop(field("a", b"x" * n) + END, 1),
    "1-byte pieces of a preamble": lambda n: chop(b"\r\n--" * (n // 4) + b"\r\n" + END, 1),
    "almost boundaries": lambda n: chop(upload("f", b"\r\n--frontie" * n) + END, 50),
    "one large message": lambda n: [upload("f", b"x" * n * KIB) + END],
}


@pytest.mark.parametrize("case", COSTS)
def test_work_grows_no_faster_than_the_body(case: str) -> None:
    once, twice = (count_calls(COSTS[case](n), fields=10_000, part_memory=8 * KIB) for n in (1000, 2000))
    assert twice <= 2.2 * once


def test_43_000_tiny_fields_and_files_are_read() -> None:
    data = field("a", b"1") * 21_500 + upload("f", b"2") * 21_500 + END
    fields, files = run(read_all(open_body([data], fields=43_000)))
    assert fields == {"a": ["1"] * 21_500}
    assert files == {"f": [("a.bin", OCTETS, b"2")] * 21_500}


@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=4),
    places=st.lists(st.integers(0, 9999), max_size=12),
    length=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_content_that_bypasses_the_parser_is_what_the_parser_would_return(
    contents: list[bytes], places: list[int], length: bool
) -> None:
    typed = [f"Content-Length: {len(contents[0])}"] if length else []
    head = 'Content-Disposition: form-data; name="f"; filename="a"'
    data = b"".join(part(head, *typed, content=content) for content in contents) + END
    pieces = cut_at(data, places)
    try:
        expected = parse_with_parser_alone(data)
    except MultipartError:
        assert status_of_run(read_all(open_body(pieces))) == 400
    else:
        _, files = run(read_all(open_body(pieces)))
        assert [content for _, _, content in files["f"]] == expected


def parse_with_parser_alone(data: bytes) -> list[bytes]:
    """Return the contents of the parts of `data`, as the parser alone gives them."""
    contents: list[bytes] = []
    parser = PushMultipartParser(BOUNDARY, strict=True)
    for event in parser.parse(data):
        if isinstance(event, MultipartSegment):
            contents.append(b"")
        elif event is not None:
            contents[-1] += event
    parser.close()
    return contents


def test_one_cut_at_any_place_does_not_change_the_files() -> None:
    data = upload("f", b"x" * 50) + upload("f", b"y" * 50) + END[:-2]
    for place in range(len(data)):
        _, files = run(read_all(open_body(cut_at(data, [place]))))
        assert [content for _, _, content in files["f"]] == [b"x" * 50, b"y" * 50]


@pytest.mark.parametrize(("headers", "limit", "status"), [(["Content-Length: 99"], 10**9, 400), ([], 99, 413)])
@pytest.mark.parametrize("places", [[], [120], [120, 150], [-16], [120, -16]])
def test_part_that_is_too_long_is_refused_however_the_network_cuts_it(
    headers: list[str], limit: int, status: int, places: list[int]
) -> None:
    data = part('Content-Disposition: form-data; name="f"; filename="a"', *headers, content=b"x" * 100) + END
    bounds = sorted(place % len(data) for place in places)
    assert status_of_run(read_all(open_body(cut_at(data, bounds), multipart=limit))) == status
