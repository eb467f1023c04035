"""This module makes a request refuse its body while early middleware runs, before the body has been received."""

from typing import Any, Final

from .request import Request

_OF_BODY: Final = frozenset({
    "body", "body_params", "file_params", "files", "form", "form_params", "get_json", "json", "json_params", "stream",
})  # fmt: skip


class EarlyRequest(Request):
    """A request whose body has not arrived: reading it raises RuntimeError."""

    def __getattribute__(self, name: str) -> Any:
        """Return the attribute `name`, unless it would read the body."""
        if name in _OF_BODY:
            raise RuntimeError(
                f"`request.{name}` is not there yet, because early middleware runs before the body is received: "
                "read it in `after_request`, or in middleware without `early = True`"
            )
        return super().__getattribute__(name)


def hide_body(request: Request) -> None:
    """Let reading the body raise RuntimeError until `reveal_body`; one that has been received stays as it is."""
    if not request.micropie_body_opened:
        object.__setattr__(request, "__class__", EarlyRequest)


def reveal_body(request: Request) -> None:
    """Let the body be read again after `hide_body`."""
    object.__setattr__(request, "__class__", Request)
