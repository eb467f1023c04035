"""A form's fields as HTML: what a type asks for, in the attributes by which a browser asks for the same.

The browser is told no more than the server insists on, so that it refuses what the server would. It knows fields, texts
and errors; how they came about is `form_results.py`'s. Everything that it returns is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from .._utils.lazy_imports import lazy_pattern
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.from_fields import FormField, is_checkbox
from ..conversion.to_text import value_to_text
from ..conversion.type_info import ARRAYS, read_constraints, remove_none

Attribute: TypeAlias = tuple[str, object]
"""A name and its value; True for one without a value, False and None for one that is not there."""

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})

_TYPES: Final[Mapping[type[mi.Type], str]] = {
    mi.IntType: "number",
    mi.FloatType: "number",
    mi.DecimalType: "number",
    mi.DateType: "date",
    mi.DateTimeType: "datetime-local",
    mi.TimeType: "time",
    mi.CustomType: "file",
    mi.EnumType: "select",
    mi.LiteralType: "select",
}
"""The input's type for a type of ours (HTML §4.10.5); `text` where none is named. A select is an element of its own."""

_ELEMENTS: Final = ("select", "textarea")
_TEXTS: Final = ("text", "search", "url", "tel", "email", "password")
_APPLIES: Final[Mapping[str, Sequence[str]]] = {
    **dict.fromkeys(("min", "max", "step"), ("number", "range")),
    **dict.fromkeys(("minlength", "maxlength"), (*_TEXTS, "textarea")),
    "pattern": _TEXTS,
    "multiple": ("file", "email", "select"),
    "accept": ("file",),
    "checked": ("checkbox",),
}
"""The types that an attribute applies to (HTML §4.10.5, the table); the others apply to all."""

_VALUELESS: Final = ("checkbox", "file", "password", *_ELEMENTS)
"""What has no value, and a password, which is not sent back."""

_PYTHON_ONLY: Final = lazy_pattern(r"\(\?[^:=!<]|\(\?<[^=!]|\\[AZ]|[*+?}]\+")
"""What a pattern of Python's may have and one of JavaScript's does not, or means otherwise."""


class Html(str):
    """Text that is HTML already: templates that escape leave it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def escape_html(text: str) -> str:
    """`text` as it stands in HTML, also between quotes."""
    return text.translate(_ESCAPES)


class HtmlField(msgspec.Struct, frozen=True, eq=False):
    """What is known of a field beforehand."""

    field: FormField
    initial: Sequence[str]
    """The texts of its default."""
    choices: Sequence[str] = ()
    """All that it may be, where it is one of several."""
    accept: Sequence[str] = ()
    """The media types of a file."""

    @property
    def item(self) -> Any:
        """The type of one value."""
        info: Any = remove_none(self.field.info)
        return remove_none(info.item_type) if isinstance(info, ARRAYS) else info

    @property
    def is_many(self) -> bool:
        """Whether several values may have its name."""
        return isinstance(remove_none(self.field.info), ARRAYS)

    @property
    def insists(self) -> bool:
        """Whether the server refuses that nothing is filled in."""
        field = self.field
        if field.is_file and not self.is_many:
            return field.required and field.absent is None
        nothing: Sequence[Any] = field.absent if field.absent is not None else [""]
        try:
            field.value(nothing)
        except CONVERSION_ERRORS:
            return True
        return False

    @property
    def type(self) -> str:
        """The type of its input, or `select`."""
        item = self.item
        if is_checkbox(item):
            return "checkbox"
        return "text" if read_constraints(item).get("tz") else _TYPES.get(type(item), "text")

    def is_checked(self, texts: Sequence[str]) -> bool:
        """Whether `texts` are those of a box that is checked."""
        try:
            return bool(texts) and self.field.value(texts) is True
        except CONVERSION_ERRORS:
            return False


def describe_field(hint: Any, field: FormField, initial: Sequence[str], accept: Sequence[str]) -> HtmlField:
    """`field`, of which the class says `hint`."""
    made = HtmlField(field, initial, (), accept)
    if isinstance(made.item, mi.EnumType):
        return msgspec.structs.replace(made, choices=[value_to_text(member) for member in made.item.cls])
    if isinstance(made.item, mi.LiteralType):
        choices = [value_to_text(value) for value in _written(hint) if value is not None]
        return msgspec.structs.replace(made, choices=choices or [value_to_text(value) for value in made.item.values])
    return made


def _written(hint: Any) -> Iterable[Any]:
    """The values of a Literal somewhere in `hint`, in the order in which they were written."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return [value for part in get_args(hint) for value in _written(part)]


def render_attributes(known: HtmlField, texts: Sequence[str], *, is_wrong: bool, type: str | None) -> Html:
    """The attributes of the element for a field that holds `texts`. `type` is another input's, or `textarea`."""
    name, kind = known.field.name, type or known.type
    found: list[Attribute] = [
        ("name", name),
        ("id", name),
        ("type", kind not in _ELEMENTS and kind),
        *((each, value) for each, value in _asked(known) if kind in _APPLIES[each]),
        ("required", known.insists),
        ("checked", kind == "checkbox" and known.is_checked(texts)),
        ("value", texts[0] if texts and kind not in _VALUELESS else None),
        ("aria-invalid", is_wrong and "true"),
        ("aria-describedby", is_wrong and f"{name}-error"),
    ]
    return Html(" ".join(_attribute(each, value) for each, value in found if value is not None and value is not False))


def _attribute(name: str, value: object) -> str:
    return name if value is True else f'{name}="{escape_html(str(value))}"'


def _asked(known: HtmlField) -> Iterable[Attribute]:
    """What the type insists on."""
    limits = read_constraints(known.item)
    yield from _range(known.item, limits)
    yield from (("minlength", limits.get("min_length")), ("maxlength", limits.get("max_length")))
    yield "pattern", _whole_pattern(limits.get("pattern", ""))
    yield from (("multiple", known.is_many), ("accept", ", ".join(known.accept) or None))


def _range(info: mi.Type, limits: Mapping[str, Any]) -> Iterable[Attribute]:
    """The numbers that are allowed. Steps begin at `min` (HTML §4.10.5.3.8), which so has to be one of them."""
    step = limits.get("multiple_of")
    least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    each = step if step is not None else 1 if isinstance(info, mi.IntType) else None
    if each is not None:
        least = least if least is None else _multiple(least, each, up=True, beyond="gt" in limits)
        most = most if most is None else _multiple(most, each, up=False, beyond="lt" in limits)
    return [("min", least), ("max", most), ("step", "any" if each is None else step)]


def _multiple(limit: float, step: float, *, up: bool, beyond: bool) -> Decimal:
    """The multiple of `step` that is next to `limit`, which is one itself unless it lies `beyond` what is allowed."""
    found, each = Decimal(str(limit)), Decimal(str(step))
    steps = (found / each).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    if beyond and steps * each == found:
        steps += 1 if up else -1
    return steps * each


def _whole_pattern(searched: str) -> str | None:
    """A pattern that is searched for, as one that has to cover all of the text; None where browsers read another."""
    if not searched or _PYTHON_ONLY.search(searched):
        return None
    if searched.startswith("^") and searched.endswith("$") and "|" not in searched and not searched.endswith("\\$"):
        return searched[1:-1]
    return f".*(?:{searched}).*"


def render_options(known: HtmlField, texts: Sequence[str]) -> Html:
    """The options of a select for a field that holds `texts`; an empty one first where nothing need be chosen yet.

    Raises LookupError for a field without choices.
    """
    if not known.choices:
        raise LookupError(f"The field {known.field.name!r} has no choices: only an Enum or a Literal has")
    empty = [] if known.is_many or (known.insists and known.initial) else [""]
    return Html("".join(_option(choice, selected=choice in texts) for choice in (*empty, *known.choices)))


def _option(choice: str, *, selected: bool) -> str:
    return f'<option value="{escape_html(choice)}"{" selected" if selected else ""}>{escape_html(choice)}</option>'


def render_errors(name: str, errors: Sequence[str]) -> Html:
    """The `errors` of a field, as the element that `aria-describedby` names; nothing without any."""
    if not errors:
        return Html()
    return Html(f'<span id="{escape_html(name or "form")}-error" class="error">{escape_html("; ".join(errors))}</span>')
