"""This module renders a form's fields as HTML: the constraints of a type become the attributes that browsers check.

The attributes are never stricter than the server, so that a browser refuses only what the server would refuse. Fields,
texts and errors come from `form_result.py`. Everything that is returned here is escaped.
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
"""A name and its value. True stands for an attribute without a value, False and None for an absent one."""

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
"""The type of input for each type of value (HTML §4.10.5), by default `text`. `select` is an element instead."""

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
"""The types that an attribute applies to (the table in HTML §4.10.5). Other attributes apply to all types."""

_VALUELESS: Final = ("checkbox", "file", "password", *_ELEMENTS)
"""The types without a `value`. A password could have one, but is never sent back."""

_PYTHON_ONLY: Final = lazy_pattern(r"\(\?[^:=!<]|\(\?<[^=!]|\\[AZ]|[*+?}]\+")
"""Syntax that JavaScript's patterns lack, or read differently from Python's."""


class Html(str):
    """A text that is already HTML. Templates that escape texts leave it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def escape_html(text: str) -> str:
    """Escape `text` for HTML, also between quotes."""
    return text.translate(_ESCAPES)


class HtmlField(msgspec.Struct, frozen=True, eq=False):
    """A field of a form type, with what is needed to render it."""

    form_field: FormField
    initial: Sequence[str]
    """The texts of the field's default."""
    choices: Sequence[str] = ()
    """The texts of all values of an Enum or Literal."""
    accept: Sequence[str] = ()
    """The media types of a file."""

    @property
    def item(self) -> Any:
        """The type of a single value: of an item, for a list."""
        info: Any = remove_none(self.form_field.info)
        return remove_none(info.item_type) if isinstance(info, ARRAYS) else info

    @property
    def is_many(self) -> bool:
        """True if the field holds a list, so that several values may have its name."""
        return isinstance(remove_none(self.form_field.info), ARRAYS)

    @property
    def is_required(self) -> bool:
        """True if the server refuses the field when it is left empty."""
        field = self.form_field
        if field.is_file and not self.is_many:
            return field.required and field.absent is None
        empty: Sequence[Any] = field.absent if field.absent is not None else [""]
        try:
            field.read_value(empty)
        except CONVERSION_ERRORS:
            return True
        return False

    @property
    def type(self) -> str:
        """The type of the field's input, or `select`."""
        item = self.item
        if is_checkbox(item):
            return "checkbox"
        return "text" if read_constraints(item).get("tz") else _TYPES.get(type(item), "text")

    def is_checked(self, texts: Sequence[str]) -> bool:
        """Return True if `texts` are those of a checked box."""
        try:
            return bool(texts) and self.form_field.read_value(texts) is True
        except CONVERSION_ERRORS:
            return False


def describe_field(hint: Any, field: FormField, initial: Sequence[str], accept: Sequence[str]) -> HtmlField:
    """Build the HtmlField of `field`, whose annotation in the class is `hint`."""
    described = HtmlField(field, initial, (), accept)
    item = described.item
    if isinstance(item, mi.EnumType):
        return msgspec.structs.replace(described, choices=[value_to_text(member) for member in item.cls])
    if isinstance(item, mi.LiteralType):
        choices = [value_to_text(value) for value in _list_literal_values(hint) if value is not None]
        return msgspec.structs.replace(described, choices=choices or [value_to_text(value) for value in item.values])
    return described


def _list_literal_values(hint: Any) -> Iterable[Any]:
    """Return the values of a Literal anywhere in `hint`, in their written order, which msgspec does not keep."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return [value for part in get_args(hint) for value in _list_literal_values(part)]


def render_attributes(field: HtmlField, texts: Sequence[str], *, is_wrong: bool, type: str | None) -> Html:
    """Render the attributes of the element for a field that holds `texts`.

    `type` replaces the type of the input, or is `textarea`.
    """
    name, kind = field.form_field.name, type or field.type
    attributes: list[Attribute] = [
        ("name", name),
        ("id", name),
        ("type", kind not in _ELEMENTS and kind),
        *((constraint, value) for constraint, value in _list_constraints(field) if kind in _APPLIES[constraint]),
        ("required", field.is_required),
        ("checked", kind == "checkbox" and field.is_checked(texts)),
        ("value", texts[0] if texts and kind not in _VALUELESS else None),
        ("aria-invalid", is_wrong and "true"),
        ("aria-describedby", is_wrong and f"{name}-error"),
    ]
    present = [(key, value) for key, value in attributes if value is not None and value is not False]
    return Html(" ".join(_render_attribute(key, value) for key, value in present))


def _render_attribute(name: str, value: object) -> str:
    return name if value is True else f'{name}="{escape_html(str(value))}"'


def _list_constraints(field: HtmlField) -> Iterable[Attribute]:
    """Yield an attribute for each constraint of the field's type."""
    limits = read_constraints(field.item)
    yield from _list_range(field.item, limits)
    yield from (("minlength", limits.get("min_length")), ("maxlength", limits.get("max_length")))
    yield "pattern", _convert_pattern(limits.get("pattern", ""))
    yield from (("multiple", field.is_many), ("accept", ", ".join(field.accept) or None))


def _list_range(info: mi.Type, limits: Mapping[str, Any]) -> Iterable[Attribute]:
    """Return `min`, `max` and `step`. Browsers count steps from `min` (HTML §4.10.5.3.8), so it must be a multiple."""
    multiple_of = limits.get("multiple_of")
    least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    step = multiple_of if multiple_of is not None else 1 if isinstance(info, mi.IntType) else None
    if step is not None:
        least = least if least is None else _find_multiple(least, step, up=True, excluded="gt" in limits)
        most = most if most is None else _find_multiple(most, step, up=False, excluded="lt" in limits)
    return [("min", least), ("max", most), ("step", "any" if step is None else multiple_of)]


def _find_multiple(limit: float, step: float, *, up: bool, excluded: bool) -> Decimal:
    """Return the multiple of `step` nearest to `limit`, upwards or downwards. An `excluded` limit is not returned."""
    exact_limit, exact_step = Decimal(str(limit)), Decimal(str(step))
    count = (exact_limit / exact_step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    if excluded and count * exact_step == exact_limit:
        count += 1 if up else -1
    return count * exact_step


def _convert_pattern(pattern: str) -> str | None:
    """Return `pattern`, which is searched for, as one that matches the whole text, as browsers demand.

    None stands for no pattern, and for one that JavaScript would read differently.
    """
    if not pattern or _PYTHON_ONLY.search(pattern):
        return None
    if pattern.startswith("^") and pattern.endswith("$") and "|" not in pattern and not pattern.endswith("\\$"):
        return pattern[1:-1]
    return f".*(?:{pattern}).*"


def render_options(field: HtmlField, texts: Sequence[str]) -> Html:
    """Render the options of a select for a field that holds `texts`, after an empty one if nothing need be chosen yet.

    Raises LookupError for a field without choices.
    """
    if not field.choices:
        raise LookupError(f"The field {field.form_field.name!r} has no choices: annotate it with an Enum or a Literal")
    empty = [] if field.is_many or (field.is_required and field.initial) else [""]
    return Html("".join(_render_option(choice, selected=choice in texts) for choice in (*empty, *field.choices)))


def _render_option(choice: str, *, selected: bool) -> str:
    return f'<option value="{escape_html(choice)}"{" selected" if selected else ""}>{escape_html(choice)}</option>'


def render_errors(name: str, errors: Sequence[str]) -> Html:
    """Render the `errors` of a field as the element that `aria-describedby` names, or nothing without any."""
    if not errors:
        return Html()
    return Html(f'<span id="{escape_html(name or "form")}-error" class="error">{escape_html("; ".join(errors))}</span>')
