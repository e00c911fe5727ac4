"""Data made up from a schema: whole, with only what is required, and with each part absent, empty or at its bounds.

A template is rendered with all of it when it is stored, so that what could fail for some data fails then.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ringback.errors import RequestError
from ringback.templates.data_schema import DataSchema, Schema, resolve

MAX_OF_PART = 12
MAX_SAMPLES = 120
FORMATS = {
    "date-time": ("2026-03-01T09:30:00Z", "2026-10-25T23:59:59.123+02:00"),
    "date": ("2026-03-01", "2028-02-29"),
    "uri": ("https://example.org/orders/4711", "https://example.org/a_b?c=(d)&e=f"),
    "time-zone": ("Europe/Berlin", "UTC"),
    "email": ("ann@example.org",),
}


def samples(schema: DataSchema) -> list[dict[str, Any]]:
    """Data that fits the schema, the whole first, defaults filled in; RequestError when none can be made up."""
    root = schema.schema
    given = [example for example in root.get("examples", ()) if isinstance(example, dict)]
    for index, example in enumerate(given):
        try:
            schema.validate(example)
        except RequestError as error:  # noqa: PERF203  a handful
            raise RequestError(str(error), field=f"schema.examples.{index}") from None
    found, seen, fault = [], set[str](), None
    for candidate in islice(_unlike([*given, *_values(root, root, 0)]), MAX_SAMPLES):
        try:
            filled = schema.validate(candidate)
        except RequestError as error:
            fault = fault or error
            continue
        if repr(filled) not in seen:
            seen.add(repr(filled))
            found.append(filled)
    if not found:
        message = f"No example of the data can be made up, to try the template with: add one as `examples`. {fault}"
        raise RequestError(message, field="schema.examples")
    return found


def _unlike(values: list[Any]) -> Iterator[Any]:
    yield from (value for value in values if isinstance(value, dict))


def _values(root: Schema, schema: Any, depth: int) -> list[Any]:
    """Typical values of a schema, the fullest first."""
    if not isinstance(schema, dict) or depth > 16:
        return ["text"]
    merged = _merged(root, schema)
    for key in ("const", "enum"):
        if key in merged:
            return [merged[key]] if key == "const" else list(merged[key])
    alternatives = [*merged.get("anyOf", ()), *merged.get("oneOf", ())]
    if alternatives:
        bare = {key: value for key, value in merged.items() if key not in {"anyOf", "oneOf"}}
        found = [value for each in alternatives for value in _values(root, {"allOf": [bare, each]}, depth + 1)]
        return found[: MAX_OF_PART * 2]
    kinds = merged.get("type", _guessed(merged))
    made = [
        value
        for kind in (kinds if isinstance(kinds, list) else [kinds])
        for value in _of_type(root, merged, kind, depth)
    ]
    return [*merged.get("examples", ()), *made] if merged.get("type") != "object" else made


def _of_type(root: Schema, schema: Schema, kind: Any, depth: int) -> list[Any]:
    if kind == "object":
        return list(_objects(root, schema, depth))
    if kind == "array":
        return list(_arrays(root, schema, depth))
    if kind in {"number", "integer"}:
        return _numbers(schema, whole=kind == "integer")
    if kind == "boolean":
        return [True, False]
    return [None] if kind == "null" else _strings(schema)


def _objects(root: Schema, schema: Schema, depth: int) -> Iterator[dict[str, Any]]:
    parts = {
        name: _values(root, inner, depth + 1)[:MAX_OF_PART] for name, inner in schema.get("properties", {}).items()
    }
    required = schema.get("required", ())
    full = {name: values[0] for name, values in parts.items() if values}
    yield full
    bare = {name: value for name, value in full.items() if name in required}
    yield bare
    for name in full:
        if name not in required:
            yield {key: value for key, value in full.items() if key != name}
    longest = max(map(len, parts.values()), default=0)
    # Turn by turn over the properties, so that a cut leaves no property untried.
    turns = [(name, values[turn]) for turn in range(1, longest) for name, values in parts.items() if turn < len(values)]
    for name, value in turns:
        yield {**full, name: value}
        # What stands in for an empty list may be an optional part, which is there in the one above.
        if name in required and bare != full:
            yield {**bare, name: value}


def _arrays(root: Schema, schema: Schema, depth: int) -> Iterator[list[Any]]:
    least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 100))
    items = _values(root, schema.get("items", {}), depth + 1)[:MAX_OF_PART] or ["text"]
    length = min(max(least, 2), most, 100)
    yield [items[index % len(items)] if schema.get("uniqueItems") else items[0] for index in range(length)]
    if least == 0:
        yield []
    if least <= 1 <= most:
        yield from ([item] for item in items)


def _numbers(schema: Schema, *, whole: bool) -> list[Any]:
    bounds = [schema.get(key) for key in ("minimum", "maximum")]
    beyond = [schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")]
    inner = [bound + step for bound, step in zip(beyond, (1, -1), strict=True) if isinstance(bound, (int, float))]
    typical = [12, 0, 1, -3] if whole else [12.5, 0, 1, -3.25]
    given = [bound for bound in bounds if isinstance(bound, (int, float))]
    fit = [value for value in [*typical, *given, *inner] if _fits(value, schema)]
    multiple = schema.get("multipleOf")
    return [multiple, 0] if isinstance(multiple, (int, float)) else fit or [*given, *inner]


def _fits(value: float, schema: Schema) -> bool:
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    return bool(
        low <= value <= high
        and schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
    )


def _strings(schema: Schema) -> list[Any]:
    known = FORMATS.get(str(schema.get("format", "")))
    if known:
        return list(known)
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 10_000))
    texts = ["sample", "", "a_b *c* [d](e) <f> & 'g' \"h\""]
    return [text.ljust(min(least, 10_000), "x")[:most] for text in texts if least == 0 or text]


def _guessed(schema: Schema) -> str:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _merged(root: Schema, schema: Schema) -> Schema:
    """The schema with its $ref and allOf written into it."""
    parts = [schema.get("allOf", ()), [resolve(root, schema["$ref"])] if "$ref" in schema else ()]
    found = {key: value for key, value in schema.items() if key not in {"allOf", "$ref"}}
    for part in (inner for group in parts for inner in group if isinstance(inner, dict)):
        other = _merged(root, part)
        found = {
            **other,
            **found,
            "properties": {**other.get("properties", {}), **found.get("properties", {})},
            "required": [*other.get("required", ()), *found.get("required", ())],
        }
        if not found["properties"]:
            del found["properties"]
    return found
