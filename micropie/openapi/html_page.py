"""This module renders an OpenAPI document as one HTML page without JavaScript.

It reads only the finished document, and escapes all text in it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from .schemas import Json

STYLE: Final = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
article { margin: 1.5rem 0; padding: 0 1rem .5rem; border: 1px solid #8886; border-radius: .5rem; }
article h3 { font: 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
h3 b { display: inline-block; min-width: 4rem; color: #0a6; }
h4 { margin: 1rem 0 .25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-top: 1px solid #8883; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
nav ul { columns: 20rem; list-style: none; padding: 0; }
p.description { white-space: pre-line; }
"""

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{base}/style.css">
</head>
<body>
<h1>{title}</h1>
{body}
<footer><p><a href="{base}/openapi.json">openapi.json</a>, version {version}.
For a page that can send requests: <code>pip install 'micropie[docs]'</code></p></footer>
</body>
</html>
"""

_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "minLength": "length ≥ {}",
    "maxLength": "length ≤ {}",
    "pattern": "matching {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def render_page(document: Json, prefix: str, base: str) -> str:
    """Render `document` as an HTML page. `prefix` goes before its paths; `base` is the URL of the page's own files."""
    info = document["info"]
    parts = (_render_text(info.get("description", "")), *_render_operations(document, prefix), *_render_types(document))
    texts = {name: escape(text) for name, text in (("title", info["title"]), ("version", info["version"]))}
    return _PAGE.format(body="\n".join(parts), base=escape(base), **texts)


def _render_operations(document: Json, prefix: str) -> Iterator[str]:
    operations = [
        (method, prefix + path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    links = (
        f'<li><a href="#{_get_id(operation)}"><code>{method.upper()} {escape(path)}</code></a>'
        for method, path, operation in operations
    )
    yield f"<nav><ul>{''.join(links)}</ul></nav>"
    for tag in document.get("tags", ()):
        yield f"<h2>{escape(tag['name'])}</h2>{_render_text(tag.get('description', ''))}"
        for method, path, operation in operations:
            if tag["name"] in operation["tags"]:
                yield _render_operation(document, method, path, operation)


def _get_id(operation: Json) -> str:
    return escape(operation["operationId"])


def _render_operation(document: Json, method: str, path: str, operation: Json) -> str:
    parts = [f'<article id="{_get_id(operation)}"><h3><b>{method.upper()}</b> {escape(path)}</h3>']
    parts += [_render_text(operation.get(name, "")) for name in ("summary", "description")]
    rows = [
        _Row(
            parameter["name"],
            parameter["schema"],
            is_required=bool(parameter.get("required")),
            source=parameter["in"],
            description=parameter.get("description", ""),
        )
        for parameter in operation.get("parameters", ())
    ]
    parts.append(_render_table("Parameters", rows))
    if operation.get("security"):
        alternatives = (" and ".join(schemes) or "nothing" for schemes in operation["security"])
        parts.append(f"<h4>Credentials</h4><p>{escape(', or '.join(alternatives))}</p>")
    if "requestBody" in operation:
        parts.append("<h4>Body</h4>" + _render_body(operation["requestBody"]))
    parts.append("<h4>Responses</h4>" + _render_responses(document, operation["responses"]))
    return "\n".join(part for part in parts if part) + "</article>"


class _Row(NamedTuple):
    """A row of a table of parameters or fields."""

    name: str
    schema: Json
    is_required: bool
    source: str = ""
    description: str = ""


def _render_table(heading: str, rows: Sequence[_Row]) -> str:
    if not rows:
        return ""
    cells = (
        f"<tr><td><code>{escape(row.name)}</code>{'' if row.is_required else ' (optional)'}<td>{escape(row.source)}"
        f"<td>{_render_type(row.schema)}<td>{escape(row.description or row.schema.get('description', ''))}"
        for row in rows
    )
    title = f"<h4>{escape(heading)}</h4>" if heading else ""
    return f"{title}<table>{''.join(cells)}</table>"


def _render_body(body: Json) -> str:
    by_schema: dict[str, list[str]] = {}
    for media_type, described in body["content"].items():
        by_schema.setdefault(_render_schema(described.get("schema", {})), []).append(media_type)
    parts = (f"<p><code>{escape(', '.join(types))}</code></p>{schema}" for schema, types in by_schema.items())
    return _render_text(body.get("description", "")) + "".join(parts)


def _render_schema(schema: Json) -> str:
    """Render a schema in full: a table of its fields if it has any."""
    if "properties" not in schema:
        return f"<p>{_render_type(schema)}</p>"
    required = schema.get("required", ())
    return _render_table("", [_Row(name, field, name in required) for name, field in schema["properties"].items()])


def _render_responses(document: Json, responses: Json) -> str:
    rows = []
    for status, response in responses.items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        bodies = (
            f"<code>{escape(media_type)}</code> {_render_type(described.get('x-line') or described.get('schema', {}))}"
            for media_type, described in response.get("content", {}).items()
        )
        label = "other" if status == "default" else status
        rows.append(f"<tr><td>{escape(label)}<td>{escape(response['description'])}<td>{'<br>'.join(bodies)}")
    return f"<table>{''.join(rows)}</table>"


def _render_types(document: Json) -> Iterator[str]:
    schemas = document.get("components", {}).get("schemas", {})
    if schemas:
        yield "<h2>Types</h2>"
    for name, schema in schemas.items():
        text = _render_text(schema.get("description", ""))
        yield f'<article id="type-{escape(name)}"><h3>{escape(name)}</h3>{text}{_render_schema(schema)}</article>'


def _render_text(text: str) -> str:
    return f'<p class="description">{escape(text)}</p>' if text else ""


def _render_type(schema: Any) -> str:
    """Render a schema in a few words: its type, its limits and its default."""
    if not isinstance(schema, dict):
        return "anything"
    limits = [form.format(escape(str(schema[name]))) for name, form in _LIMITS.items() if name in schema]
    if "default" in schema:
        limits.append(f"by default <code>{escape(json.dumps(schema['default']))}</code>")
    return ", ".join((_render_type_name(schema), *limits))


def _render_type_name(schema: Json) -> str:
    if "$ref" in schema:
        component = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{component}">{component}</a>'
    for keyword, conjunction in (("anyOf", " or "), ("allOf", " and ")):
        if keyword in schema:
            return conjunction.join(map(_render_type, schema[keyword]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("format") == "binary":
        return "a file"
    name = schema.get("type", "anything")
    if name == "array":
        return f"array of {_render_type(schema['items'])}" if isinstance(schema.get("items"), dict) else "array"
    if name == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_render_type(schema['additionalProperties'])}"
    return escape(f"{name} ({schema['format']})" if "format" in schema else name)
