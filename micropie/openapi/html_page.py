"""The page that shows an OpenAPI document without JavaScript: everything in it, on one page, in plain HTML.

It reads the finished document and nothing else, and all text in it is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

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
p.said { white-space: pre-line; }
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
A page to try requests on: <code>pip install 'micropie[docs]'</code></p></footer>
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
    """`document` as an HTML page. `prefix` goes before its paths; `base` is where the page's own files are."""
    info = document["info"]
    body = "\n".join((_said(info.get("description", "")), *_contents(document, prefix), *_schemas(document)))
    texts = {name: escape(text) for name, text in (("title", info["title"]), ("version", info["version"]))}
    return _PAGE.format(body=body, base=escape(base), **texts)


def _contents(document: Json, prefix: str) -> Iterator[str]:
    found = [
        (method, prefix + path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    links = (
        f'<li><a href="#{_id(one)}"><code>{method.upper()} {escape(path)}</code></a>' for method, path, one in found
    )
    yield f"<nav><ul>{''.join(links)}</ul></nav>"
    for tag in document.get("tags", ()):
        yield f"<h2>{escape(tag['name'])}</h2>{_said(tag.get('description', ''))}"
        for method, path, operation in found:
            if tag["name"] in operation["tags"]:
                yield _operation(document, method, path, operation)


def _id(operation: Json) -> str:
    return escape(operation["operationId"])


def _operation(document: Json, method: str, path: str, operation: Json) -> str:
    parts = [f'<article id="{_id(operation)}"><h3><b>{method.upper()}</b> {escape(path)}</h3>']
    parts += [_said(operation.get(name, "")) for name in ("summary", "description")]
    rows = [
        (one["name"], one["in"], one["schema"], bool(one.get("required")), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    parts.append(_table("Parameters", rows))
    if operation.get("security"):
        needed = (" and ".join(one) or "nothing" for one in operation["security"])
        parts.append(f"<h4>Credentials</h4><p>{escape(', or '.join(needed))}</p>")
    if "requestBody" in operation:
        parts.append("<h4>Body</h4>" + _body(operation["requestBody"]))
    parts.append("<h4>Answers</h4>" + _answers(document, operation["responses"]))
    return "\n".join(part for part in parts if part) + "</article>"


def _table(heading: str, rows: list[tuple[str, str, Json, bool, str]]) -> str:
    if not rows:
        return ""
    cells = (
        f"<tr><td><code>{escape(name)}</code>{'' if required else ' (optional)'}<td>{escape(place)}"
        f"<td>{_type(schema)}<td>{escape(said or schema.get('description', ''))}"
        for name, place, schema, required, said in rows
    )
    title = f"<h4>{escape(heading)}</h4>" if heading else ""
    return f"{title}<table>{''.join(cells)}</table>"


def _body(body: Json) -> str:
    same: dict[str, list[str]] = {}
    for media, described in body["content"].items():
        same.setdefault(_shape(described.get("schema", {})), []).append(media)
    shapes = (f"<p><code>{escape(', '.join(media))}</code></p>{shape}" for shape, media in same.items())
    return _said(body.get("description", "")) + "".join(shapes)


def _shape(schema: Json) -> str:
    """A schema in full: its fields, where it has them."""
    if "properties" not in schema:
        return f"<p>{_type(schema)}</p>"
    required = schema.get("required", ())
    rows = [(name, "", field, name in required, "") for name, field in schema["properties"].items()]
    return _table("", rows)


def _answers(document: Json, responses: Json) -> str:
    rows = []
    for status, response in responses.items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        bodies = (
            f"<code>{escape(media)}</code> {_type(described.get('x-line') or described.get('schema', {}))}"
            for media, described in response.get("content", {}).items()
        )
        shown = "other" if status == "default" else status
        rows.append(f"<tr><td>{escape(shown)}<td>{escape(response['description'])}<td>{'<br>'.join(bodies)}")
    return f"<table>{''.join(rows)}</table>"


def _schemas(document: Json) -> Iterator[str]:
    schemas = document.get("components", {}).get("schemas", {})
    if schemas:
        yield "<h2>Types</h2>"
    for name, schema in schemas.items():
        said = _said(schema.get("description", ""))
        yield f'<article id="type-{escape(name)}"><h3>{escape(name)}</h3>{said}{_shape(schema)}</article>'


def _said(text: str) -> str:
    return f'<p class="said">{escape(text)}</p>' if text else ""


def _type(schema: Any) -> str:
    """A schema in a few words, as HTML."""
    if not isinstance(schema, dict):
        return "anything"
    words = _kind(schema)
    limits = [form.format(escape(str(schema[name]))) for name, form in _LIMITS.items() if name in schema]
    if "default" in schema:
        limits.append(f"by default <code>{escape(json.dumps(schema['default']))}</code>")
    return ", ".join((words, *limits))


def _kind(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for name, joint in (("anyOf", " or "), ("allOf", " and ")):
        if name in schema:
            return joint.join(map(_type, schema[name]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("format") == "binary":
        return "a file"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"array of {_type(schema['items'])}" if isinstance(schema.get("items"), dict) else "array"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return escape(f"{kind} ({schema['format']})" if "format" in schema else kind)
