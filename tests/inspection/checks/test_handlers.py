"""These tests check signatures: setup problems, defaults, accidental URLs, and missing types."""

from pathlib import Path

import pytest

from .support import list_findings

FOUND = {
    # cannot-work
    "a type that no request holds": (
        "async def area(self, z: complex) -> str: ...",
        ["cannot-work Site.area (z: complex)"],
    ),
    "a socket that is sync": (
        "def ws_chat(self, ws: WebSocket) -> None: ...",
        ["cannot-work Site.ws_chat"],
    ),
    "several of them, and other findings besides": (
        """
        async def one(self, z: complex) -> str: ...
        async def two(self, n: int = None) -> str: ...
        async def three(self, z: complex) -> str: ...
        """,
        ["cannot-work Site.one (z: complex)", "default-type Site.two (n: int)", "cannot-work Site.three (z: complex)"],
    ),
    # accidental-url
    "a helper by its name, and nothing annotated": (
        "def get_user(self, id): return id",
        ["accidental-url Site.get_user"],
    ),
    "a helper that the class calls, and nothing annotated": (
        """
        async def index(self) -> str: return self.title("x")
        def title(self, text): return text.title()
        """,
        ["accidental-url Site.title"],
    ),
    "a helper by its name that the class calls": (
        """
        async def index(self) -> str: return self.format_title("x")
        def format_title(self, text: str) -> str: return text.title()
        """,
        ["accidental-url Site.format_title"],
    ),
    "a static method by a helper's name": (
        "@staticmethod\n        def parse_id(text: str) -> int: return int(text)",
        ["accidental-url Site.parse_id"],
    ),
    "what returns no response": (
        "def database(self) -> sqlite3.Connection: ...",
        ["accidental-url Site.database"],
    ),
    "what returns a function": (
        "def later(self) -> Callable[[], int]: ...",
        ["accidental-url Site.later"],
    ),
    # untyped-parameter
    "a parameter without a type": ("async def show(self, id) -> str: ...", ["untyped-parameter Site.show (id)"]),
    "a parameter that is anything": (
        "async def show(self, *, id: Any) -> str: ...",
        ["untyped-parameter Site.show (id: Any)"],
    ),
    "rest without a type": ("async def show(self, *rest) -> str: ...", ["untyped-parameter Site.show (rest)"]),
    # untyped-return
    "no return type": ("async def show(self, id: int): ...", ["untyped-return Site.show"]),
    "anything": ("async def show(self) -> Any: ...", ["untyped-return Site.show"]),
    "a dict of anything": ("async def show(self) -> dict: ...", ["untyped-return Site.show"]),
    "a list of anything with a status": ("async def show(self) -> tuple[int, list]: ...", ["untyped-return Site.show"]),
    "a type that does not exist": ('async def show(self) -> "Nowhere": ...', ["cannot-work Site.show (-> Nowhere)"]),
}
"""The body of an app, and the findings in it."""

DEFAULTS = {
    "None for what cannot be None": "async def list(self, page: int = None) -> str: ...",
    "text for a number": 'async def list(self, page: int = "1") -> str: ...',
    "text for a date": 'async def list(self, day: date = "2020-01-01") -> str: ...',
    "text for an Enum": 'async def list(self, size: Size = "s") -> str: ...',
    "a dict for a Struct": "async def list(self, cart: Cart = {}) -> str: ...",
    "a tuple for a list": "async def list(self, ids: list[int] = ()) -> str: ...",
    "what breaks its own limits": "async def list(self, page: Annotated[int, Meta(ge=1)] = 0) -> str: ...",
    "no file for a file": "async def put(self, file: UploadFile = None) -> str: ...",
}
"""Bodies of apps in which a default has the wrong type."""

LEFT_ALONE = {
    "a typed handler": 'async def greet(self, name: str = "x", *rest: int, **more: str) -> str: ...',
    "a helper's name, but typed and never called": "def get_user(self, id: int) -> dict[str, int]: ...",
    "a private helper": "def _get_user(self, id): return id",
    "@route": '@route("/user/{id}")\n        def get_user(self, id: int) -> int: return self.get_user(1)',
    "index": "def index(self) -> str: return self.index()",
    "an Optional": "async def list(self, page: int | None = None) -> str: ...",
    "an int for a float": "async def wait(self, seconds: float = 1) -> str: ...",
    "a bool for an int": "async def wait(self, often: int = True) -> str: ...",
    "a list for a list": "async def list(self, ids: list[int] = []) -> str: ...",
    "a member of an Enum": "async def list(self, size: Size = Size.small) -> str: ...",
    "a Struct": "async def list(self, cart: Cart = Cart()) -> str: ...",
    "nan": 'async def wait(self, seconds: float = float("nan")) -> str: ...',
    "a file or none": "async def put(self, file: UploadFile | None = None) -> str: ...",
    "a default of what is not annotated": "def show(self, id=None) -> str: ...  # micropie: ignore[untyped-parameter]",
    "a Decimal or text": 'async def list(self, price: Decimal | str = "x") -> str: ...',
    "streams, files and sockets": """
        async def lines(self) -> AsyncIterator[str]: yield ""
        def rows(self) -> Iterator[Cart]: yield Cart()
        async def nothing(self) -> None: ...
        async def either(self) -> tuple[Literal[200], Cart] | tuple[Literal[404], str, dict[str, str]]: ...
        async def redirect(self) -> tuple[int, str, Any]: ...
        async def protocol(self) -> Row: ...
        async def ws_chat(self, ws: WebSocket): ...
        """,
    "what has no source": "made = None",
}
"""Bodies of apps without findings."""


@pytest.mark.parametrize("name", FOUND)
def test_faulty_signature_is_found(directory: Path, name: str) -> None:
    body, expected = FOUND[name]
    assert list_findings(directory, body) == expected


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_sound_signature_is_left_alone(directory: Path, name: str) -> None:
    assert list_findings(directory, LEFT_ALONE[name]) == []


@pytest.mark.parametrize("name", DEFAULTS)
def test_default_of_the_wrong_type_is_found(directory: Path, name: str) -> None:
    findings = list_findings(directory, DEFAULTS[name])
    assert [finding.split()[0] for finding in findings] == ["default-type"]
