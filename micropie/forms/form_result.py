"""`FormResult[Signup]`: what somebody filled into a form, as a value, or what is wrong with it field by field.

A form that does not fit is no bad request: it is shown again, with what was filled in and what is wrong beside it. So
this tells instead of raising, and it reads as browsers write. What makes a request bad still does: a body of another
kind, one that is malformed or over a limit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, final, get_origin, get_type_hints

import msgspec

from ..conversion.converter import Converter
from ..conversion.from_fields import ObjectForm
from ..conversion.to_text import value_to_fields, value_to_texts
from ..conversion.type_info import OBJECTS, remove_none
from ..conversion.unwrap_annotated import UnsupportedTypeError, unwrap_annotated
from ..errors import HTTPError, UploadError, missing_parameter_detail
from ..media_types import Media
from ..params import File
from ..requests.request import Request
from ..sentinels import EMPTY
from ..uploads.upload_file import UploadFile
from . import html as form_html
from .html import Html, HtmlField

T_co = TypeVar("T_co", covariant=True)

_FORMS: Final = (Media.FORM, Media.MULTIPART)
_REQUIRED: Final = "Required"


@final
class FormResult(Generic[T_co]):
    """A form: not submitted yet, or with a value, or with errors.

    `value is not None` says that all is well, to type checkers too. `str` of nothing here is HTML but what the methods
    return, which a template inserts as it is.
    """

    def __init__(
        self,
        form: "FormType",
        *,
        value: T_co | None = None,
        errors: Mapping[str, Sequence[str]] = EMPTY,
        texts: Mapping[str, Sequence[str]] = EMPTY,
        submitted: bool = False,
    ) -> None:
        self._form: Final = form
        self.value: Final = value
        """What was filled in, if all of it fits."""
        self.errors: Final[Mapping[str, Sequence[str]]] = errors
        """What is wrong, by the names of the fields; under `""` what is wrong with all of it."""
        self.texts: Final[Mapping[str, Sequence[str]]] = texts
        """What stands in the fields, as text: as it was filled in, or before that the defaults of the type."""
        self.submitted: Final = submitted
        """Whether somebody filled it in, or only came to see it."""

    def __repr__(self) -> str:
        state = "not submitted" if not self.submitted else "errors" if self.value is None else "a value"
        return f"<FormResult of {self._form.name}: {state}>"

    def showing(self, value: object) -> "FormResult[T_co]":
        """The form as it is before it is submitted, with `value` in its fields: to change what there is already.

        Raises ValueError for what has no texts.
        """
        return FormResult(self._form, texts=self._form.texts_of(value))

    def text(self, name: str) -> str:
        """What stands in the field, as between the tags of a textarea."""
        return next(iter(self._texts(self._form[name])), "")

    def attributes(self, name: str, type: str | None = None) -> Html:
        """The attributes of the field's element: `<input {{ form.attributes("age") }}>`.

        They are `name`, `id`, `type`, what the type insists on (`required`, `min`, `maxlength` …), `value` or
        `checked`, and with an error `aria-invalid` and `aria-describedby`. `type` is another type of input, or
        `"textarea"`; a field with choices is a select. A password is not shown again. Raises LookupError.
        """
        known = self._form[name]
        return form_html.render_attributes(known, self._texts(known), is_wrong=name in self.errors, type=type)

    def options(self, name: str) -> Html:
        """The options of a field with choices, between the tags of its select. Raises LookupError."""
        known = self._form[name]
        return form_html.render_options(known, self._texts(known))

    def error(self, name: str = "") -> Html:
        """What is wrong with the field, in a `span`, and nothing where nothing is. Without a name: with all of it."""
        if name:
            _ = self._form[name]
        return form_html.render_errors(name, self.errors.get(name, ()))

    def _texts(self, known: HtmlField) -> Sequence[str]:
        return self.texts.get(known.field.name, ())


class FormType:
    """How a FormResult of one type is read. Raises UnsupportedTypeError where no form can carry it."""

    def __init__(self, annotation: Any, reads: Converter) -> None:
        info = remove_none(reads.info)
        if reads.form is None or not isinstance(info, OBJECTS):
            remedy = "Use a Struct, dataclass, TypedDict or attrs class of texts, lists of them, and files"
            raise UnsupportedTypeError("no form has this type's fields", remedy)
        self._info = info
        self._form = ObjectForm(annotation, info, browser=True)
        self.name: str = (get_origin(info.cls) or info.cls).__name__
        hints, defaults = _hints(info.cls), {field.name: _default(field) for field in info.fields}
        self.markers: dict[str, File] = {}
        """What the files may be, by the names of their fields."""
        self._fields: dict[str, HtmlField] = {}
        for field in self._form.fields:
            marker = next((one for one in _metadata(hints.get(field.attribute)) if isinstance(one, File)), None)
            if marker is not None:
                self.markers[field.name] = marker
            initial = _initial(defaults[field.attribute])
            accept = marker.content_types if marker is not None else ()
            self._fields[field.name] = form_html.describe_field(hints.get(field.attribute), field, initial, accept)
        self.blank: FormResult[Any] = FormResult(
            self, texts=MappingProxyType({name: known.initial for name, known in self._fields.items()})
        )

    def __getitem__(self, name: str) -> HtmlField:
        if name not in self._fields:
            raise LookupError(f"{self.name} has no field {name!r}; it has {', '.join(self._fields)}")
        return self._fields[name]

    def texts_of(self, value: object) -> Mapping[str, Sequence[str]]:
        """What stands in the fields for `value`. Raises ValueError."""
        found: dict[str, list[str]] = {}
        for name, text in value_to_fields(self._info, value)[0]:
            found.setdefault(name, []).append(text)
        return found

    def of_body(self, request: Request) -> FormResult[Any]:
        """The form in the body. Raises HTTPError 415 for a body of another kind."""
        media = request.media
        if media is Media.NONE or (request.method in ("GET", "HEAD") and not request.has_body):
            return self.blank
        if media not in _FORMS:
            accepted = "application/x-www-form-urlencoded or multipart/form-data"
            raise HTTPError(415, f"The request body must be {accepted}")
        return self._read(request.form_params, request.file_params)

    def of_query(self, request: Request) -> FormResult[Any]:
        """The form in the query, as one with `method="get"` sends it: submitted when one of its fields is there."""
        found = {name: texts for name, texts in request.query_params.items() if name in self._fields}
        return self._read(found, EMPTY) if found else self.blank

    def _read(self, texts: Mapping[str, Sequence[str]], files: Mapping[str, Sequence[UploadFile]]) -> FormResult[Any]:
        value, invalid = self._form.attempt(texts, files)
        errors: dict[str, list[str]] = {}
        for error in invalid:
            name = error.parameter
            is_empty = name is not None and (
                not any(texts.get(name, ())) or error.detail == missing_parameter_detail(name)
            )
            errors.setdefault(name or "", []).append(_REQUIRED if is_empty else error.detail)
        for name, detail in self._refused(files):
            errors.setdefault(name, []).append(detail)
        return FormResult(self, value=None if errors else value, errors=errors, texts=texts, submitted=True)

    def _refused(self, files: Mapping[str, Sequence[UploadFile]]) -> Iterator[tuple[str, str]]:
        """The files that are not what their markers say."""
        for name, marker in self.markers.items():
            for file in files.get(name, ()):
                try:
                    file.restrict(max_size=marker.max_size, content_types=marker.content_types)
                except UploadError as error:
                    yield name, error.detail


def find_file_markers(blank: object) -> Mapping[str, File]:
    """What the files of a form may be, by the names of their fields; `blank` is the default of its parameter."""
    return blank._form.markers if isinstance(blank, FormResult) else EMPTY


def _hints(cls: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(get_origin(cls) or cls, include_extras=True)
    except Exception:  # noqa: BLE001  (msgspec resolved them in a way of its own)
        return EMPTY


def _metadata(hint: Any) -> Sequence[Any]:
    return [one() if one is File else one for one in unwrap_annotated(hint)[1]]


def _default(field: Any) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _initial(default: object) -> Sequence[str]:
    try:
        return () if default is None else value_to_texts(default)
    except ValueError:  # none at all, or nothing that could stand in a field
        return ()


def make_form_reader(blank: FormResult[Any], *, of_query: bool) -> Callable[[Request], FormResult[Any]]:
    """What reads forms of the type of `blank`."""
    return blank._form.of_query if of_query else blank._form.of_body
