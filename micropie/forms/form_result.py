"""This module reads a form that a user filled in: as a `FormResult`, which holds a value, or the errors of each field.

A form with errors is not a bad request. The handler shows it again, with the user's texts and the error beside each
field, so that `FormResult` returns errors and does not raise them. It reads texts as browsers write them. A body of
another kind, a malformed one, and one over a limit are still bad requests.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final, get_origin, get_type_hints

import msgspec

from ..conversion.converter import Converter
from ..conversion.from_fields import ObjectForm
from ..conversion.to_text import value_to_fields, value_to_texts
from ..conversion.type_info import OBJECTS, remove_none
from ..conversion.unwrap_annotated import UnsupportedTypeError, unwrap_annotated
from ..errors import BadRequest, HTTPError, UploadError, describe_missing_parameter
from ..media_types import Media
from ..params import File
from ..requests.request import Request
from ..sentinels import EMPTY
from ..uploads.upload_file import UploadFile

if TYPE_CHECKING:
    from .html import Html, HtmlField

T_co = TypeVar("T_co", covariant=True)

_FORMS: Final = (Media.FORM, Media.MULTIPART)
_REQUIRED: Final = "Required"


@final
class FormResult(Generic[T_co]):
    """A form that was not submitted yet, or has a value, or has errors.

    The form is valid if `value is not None`, which type checkers narrow. The attributes hold plain text. The methods
    that return `Html` escape it, and templates insert their results as they are.
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
        """The value of the submitted form, or None if it has errors or was not submitted."""
        self.errors: Final[Mapping[str, Sequence[str]]] = errors
        """The error messages by the names of the fields. Those under `""` concern the whole form."""
        self.texts: Final[Mapping[str, Sequence[str]]] = texts
        """The texts in the fields, by their names: the submitted ones, or before that the defaults of the type."""
        self.submitted: Final = submitted
        """True if the form was submitted, False if it is shown for the first time."""

    def __repr__(self) -> str:
        state = "not submitted" if not self.submitted else "errors" if self.value is None else "a value"
        return f"<FormResult of {self._form.name}: {state}>"

    def showing(self, value: object) -> "FormResult[T_co]":
        """Return the form as it is before it is submitted, with `value` in its fields, so that the user can edit it.

        Raises ValueError for a value that cannot be written as text.
        """
        return FormResult(self._form, texts=self._form.get_texts(value))

    def text(self, name: str) -> str:
        """Return the text in the field `name`, for the content of a textarea. Raises LookupError."""
        return next(iter(self._list_texts(self._form[name])), "")

    def attributes(self, name: str, type: str | None = None) -> "Html":
        """Return the attributes of the field's element: `<input {{ form.attributes("age") }}>`.

        They are `name`, `id`, `type`, the constraints (`required`, `min`, `maxlength` …), `value` or `checked`, and for
        a field with an error `aria-invalid` and `aria-describedby`. `type` replaces the type of the input, or is
        `"textarea"`. A field with choices is a select. A password is never rendered. Raises LookupError.
        """
        from .html import render_attributes

        field = self._form[name]
        return render_attributes(field, self._list_texts(field), is_wrong=name in self.errors, type=type)

    def options(self, name: str) -> "Html":
        """Return the options of a field with choices, for the content of its select. Raises LookupError."""
        from .html import render_options

        field = self._form[name]
        return render_options(field, self._list_texts(field))

    def error(self, name: str = "") -> "Html":
        """Return the field's errors in a `span`, or empty text without any. Without a name: those of the whole form."""
        from .html import render_errors

        if name:
            _ = self._form[name]
        return render_errors(name, self.errors.get(name, ()))

    def _list_texts(self, field: "HtmlField") -> Sequence[str]:
        return self.texts.get(field.form_field.name, ())


class FormType:
    """A reader of forms of one type. Raises UnsupportedTypeError for a type that a form cannot carry."""

    def __init__(self, annotation: Any, converter: Converter) -> None:
        from .html import describe_field

        info = remove_none(converter.info)
        if converter.form is None or not isinstance(info, OBJECTS):
            remedy = "Use a Struct, dataclass, TypedDict or attrs class of texts, lists of them, and files"
            raise UnsupportedTypeError("a form cannot carry this type's fields", remedy)
        self._info = info
        self._form = ObjectForm(annotation, info, browser=True)
        self.name: str = (get_origin(info.cls) or info.cls).__name__
        hints, defaults = _read_hints(info.cls), {field.name: _make_default(field) for field in info.fields}
        self.markers: dict[str, File] = {}
        """The `File` markers by the names of their fields."""
        self._fields: dict[str, HtmlField] = {}
        for field in self._form.fields:
            metadata = _list_metadata(hints.get(field.attribute))
            marker = next((item for item in metadata if isinstance(item, File)), None)
            if marker is not None:
                self.markers[field.name] = marker
            initial = _write_initial_texts(defaults[field.attribute])
            accept = marker.content_types if marker is not None else ()
            self._fields[field.name] = describe_field(hints.get(field.attribute), field, initial, accept)
        self.blank: FormResult[Any] = FormResult(
            self, texts=MappingProxyType({name: field.initial for name, field in self._fields.items()})
        )

    def __getitem__(self, name: str) -> "HtmlField":
        if name not in self._fields:
            raise LookupError(f"{self.name} has no field {name!r}; it has {', '.join(self._fields)}")
        return self._fields[name]

    def get_texts(self, value: object) -> Mapping[str, Sequence[str]]:
        """Return the texts that stand in the fields for `value`, by name. Raises ValueError."""
        texts: dict[str, list[str]] = {}
        for name, text in value_to_fields(self._info, value)[0]:
            texts.setdefault(name, []).append(text)
        return texts

    def read_body(self, request: Request) -> FormResult[Any]:
        """Read the form in the body. Raises HTTPError 415 for a body of another kind."""
        media = request.media
        if media is Media.NONE or (request.method in ("GET", "HEAD") and not request.has_body):
            return self.blank
        if media not in _FORMS:
            accepted = "application/x-www-form-urlencoded or multipart/form-data"
            raise HTTPError(415, f"The request body must be {accepted}")
        return self._build_result(request.form_params, request.file_params)

    def read_query(self, request: Request) -> FormResult[Any]:
        """Read the form in the query, as `method="get"` sends it. It was submitted if one of its fields is there."""
        fields = {name: texts for name, texts in request.query_params.items() if name in self._fields}
        return self._build_result(fields, EMPTY) if fields else self.blank

    def _build_result(
        self, texts: Mapping[str, Sequence[str]], files: Mapping[str, Sequence[UploadFile]]
    ) -> FormResult[Any]:
        value, invalid = self._form.try_read(texts, files)
        if unreadable := [error for error in invalid if error.source is not None]:  # no browser sends such bytes
            raise BadRequest(unreadable)
        errors: dict[str, list[str]] = {}
        for error in invalid:
            name = error.parameter
            is_empty = name is not None and (
                not any(texts.get(name, ())) or error.detail == describe_missing_parameter(name)
            )
            errors.setdefault(name or "", []).append(_REQUIRED if is_empty else error.detail)
        for name, detail in self._find_refused_files(files):
            errors.setdefault(name, []).append(detail)
        return FormResult(self, value=None if errors else value, errors=errors, texts=texts, submitted=True)

    def _find_refused_files(self, files: Mapping[str, Sequence[UploadFile]]) -> Iterator[tuple[str, str]]:
        """Yield the field and the error of each file that its marker refuses."""
        for name, marker in self.markers.items():
            for file in files.get(name, ()):
                try:
                    file.restrict(max_size=marker.max_size, content_types=marker.content_types)
                except UploadError as error:
                    yield name, error.detail


def find_file_markers(blank: object) -> Mapping[str, File]:
    """Return the `File` markers of a form's fields by name; `blank` is the default of the form's parameter."""
    return blank._form.markers if isinstance(blank, FormResult) else EMPTY


def _read_hints(cls: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(get_origin(cls) or cls, include_extras=True)
    except Exception:  # noqa: BLE001  (msgspec could resolve them, in another way)
        return EMPTY


def _list_metadata(hint: Any) -> Sequence[Any]:
    return [item() if item is File else item for item in unwrap_annotated(hint)[1]]


def _make_default(field: Any) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _write_initial_texts(default: object) -> Sequence[str]:
    try:
        return () if default is None else value_to_texts(default)
    except ValueError:  # without a default, or with one that cannot be written as text
        return ()


def make_form_reader(blank: FormResult[Any], *, of_query: bool) -> Callable[[Request], FormResult[Any]]:
    """Return the function that reads a form of the type of `blank` from a request."""
    return blank._form.read_query if of_query else blank._form.read_body
