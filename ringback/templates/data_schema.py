"""The JSON Schema of a template's data: which schemas are taken, and the check of data against one.

A schema comes from outside and is run on data from outside, so what could run for ever is refused when it is stored:
references out of the document or in a circle, schemas that unfold without end, patterns that backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from ringback.errors import RequestError, TooLargeError
from ringback.templates.budget import Budget
from ringback.templates.patterns import MAX_MATCHED, pattern_fault

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Schema = dict[str, Any]
Rule = Callable[..., Any]
DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
}
DEFAULT_DRAFT = next(iter(DRAFTS))
MAX_UNFOLDED = 5_000
MAX_DEPTH = 16
MAX_DATA_PARTS = 5_000
# A schema may hold names against patterns.
MAX_NAME = 200
MAX_DATA_BYTES = 64 * 1024
REFUSED = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$id", "id", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SINGLE = ("additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames")


class DataSchema:
    """A schema, checked; `validate` fills in defaults and names the field that does not fit."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._watch = Watch()
        self._validator = _validator(schema, self._watch)

    def validate(self, data: Any) -> dict[str, Any]:
        """The data with the schema's defaults in it; RequestError naming `data.…` otherwise."""
        _check_size(data)
        filled = with_defaults(self.schema, self.schema, data)
        self._watch.start()
        try:
            error = min(self._validator.iter_errors(filled), key=lambda found: len(found.absolute_path), default=None)
        except TooLargeError:
            fix = "make the schema simpler, or send less data"
            raise TooLargeError(f"Holding the data against the schema takes too long: {fix}.", field="data") from None
        if error is not None:
            raise RequestError(_words(error), field=_field(error))
        return dict(filled)


class Watch:
    """Ends a check that takes too long: five thousand values, each held against a thousand alternatives."""

    def __init__(self) -> None:
        self._budget = Budget()

    def start(self) -> None:
        self._budget = Budget()

    def watched(self, rule: Rule) -> Rule:
        """The rule of one keyword, which is tried only while there is time."""

        def watched(*arguments: Any) -> Any:
            self._budget.look()
            return rule(*arguments)

        return watched


def check_schema(schema: Schema) -> None:
    """Raise RequestError naming `schema.…` for a schema that is malformed or could run for ever."""
    if schema.get("type") != "object":
        raise RequestError('The data is an object: give the schema "type": "object".', field="schema.type")
    dialect = schema.get("$schema", DEFAULT_DRAFT)
    if not isinstance(dialect, str) or dialect.rstrip("#") not in DRAFTS:
        raise RequestError(f"Schemas are of {' or '.join(DRAFTS)}.", field="schema.$schema")
    _unfold(schema, schema, "schema", (), [0])
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415  50 ms that starting the app never needs

    try:
        type(_validator(schema, Watch())).check_schema(schema)
    except SchemaError as error:
        where = ".".join(["schema", *map(str, error.absolute_path)])
        raise RequestError(f"The schema is malformed: {error.message}.", field=where) from None


def resolve(root: Schema, reference: Any, where: str = "schema") -> Any:
    """What a `$ref` of the form #/$defs/x stands for."""
    found: Any = root
    parts = reference.split("/") if isinstance(reference, str) else [""]
    for part in parts[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    if parts[0] != "#" or not isinstance(found, (dict, bool)):
        message = f"$ref {reference!r} is not found: references stay inside the schema, such as #/$defs/address."
        raise RequestError(message, field=f"{where}.$ref")
    return found


def subschemas(schema: Schema) -> Iterator[tuple[str, Any]]:
    """(place, schema) of every schema directly inside this one; `$ref` is the caller's to follow."""
    for key in _SINGLE:
        if isinstance(schema.get(key), (dict, bool)):
            yield key, schema[key]
    for key in _LISTS:
        if isinstance(schema.get(key), list):
            yield from ((f"{key}.{index}", inner) for index, inner in enumerate(schema[key]))
    for key in _MAPS:
        if isinstance(schema.get(key), dict):
            yield from ((f"{key}.{name}", inner) for name, inner in schema[key].items())


def with_defaults(root: Schema, schema: Any, data: Any) -> Any:
    """A copy of the data in which absent properties have the defaults that the schema declares for them."""
    if not isinstance(schema, dict):
        return data
    if "$ref" in schema:
        data = with_defaults(root, resolve(root, schema["$ref"]), data)
    for part in schema.get("allOf", ()):
        data = with_defaults(root, part, data)
    if isinstance(data, dict):
        filled = dict(data)
        for name, inner in schema.get("properties", {}).items():
            if name not in filled and isinstance(inner, dict) and "default" in inner:
                filled[name] = inner["default"]
            if name in filled:
                filled[name] = with_defaults(root, inner, filled[name])
        return filled
    if isinstance(data, list) and isinstance(schema.get("items"), dict):
        return [with_defaults(root, schema["items"], item) for item in data]
    return data


def _unfold(root: Schema, schema: Any, where: str, through: tuple[str, ...], count: list[int]) -> None:
    """Walk the schema with its references written out, and count."""
    count[0] += 1
    if count[0] > MAX_UNFOLDED or where.count(".") > 4 * MAX_DEPTH:
        raise TooLargeError("The schema is too large, or too deep, with its references written out.", field="schema")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise RequestError("A schema is an object, true or false.", field=where)
    refused = [key for key in REFUSED if isinstance(schema.get(key), (str, bool))]
    if refused:
        raise RequestError(f"{refused[0]} is not supported here.", field=f"{where}.{refused[0]}")
    patterns = [schema.get("pattern"), *(schema.get("patternProperties") or {})]
    for pattern in patterns:
        fault = pattern_fault(pattern) if isinstance(pattern, str) else None
        if fault:
            raise RequestError(f"The pattern {pattern!r} {fault}.", field=f"{where}.pattern")
    reference = schema.get("$ref")
    if reference is not None:
        if reference in through:
            raise RequestError(f"$ref {reference!r} goes in a circle.", field=f"{where}.$ref")
        _unfold(root, resolve(root, reference, where), where, (*through, reference), count)
    for place, inner in subschemas(schema):
        _unfold(root, inner, f"{where}.{place}", through, count)


def _validator(schema: Schema, watch: Watch) -> Any:
    import jsonschema  # noqa: PLC0415  50 ms that starting the app never needs
    import referencing  # noqa: PLC0415  likewise

    dialect = str(schema.get("$schema", DEFAULT_DRAFT)).rstrip("#")
    base = getattr(jsonschema, DRAFTS.get(dialect, DRAFTS[DEFAULT_DRAFT]))
    bounded = {**base.VALIDATORS, "pattern": _bounded_pattern, "uniqueItems": _unique_items}
    bounded = {keyword: watch.watched(rule) for keyword, rule in bounded.items()}
    extended = jsonschema.validators.extend(base, bounded)  # type: ignore[no-untyped-call]
    # An empty registry: jsonschema's own would fetch a remote $ref from wherever the schema says.
    return extended(schema, registry=referencing.Registry(), format_checker=_formats())


def _bounded_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ARG001  jsonschema's
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  see _validator

    if not isinstance(instance, str):
        return
    if len(instance) > MAX_MATCHED:
        yield ValidationError(f"is over {MAX_MATCHED} characters, too long for a pattern")
    elif not re.search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ARG001  jsonschema's
    """In linear time; jsonschema compares every pair when the items cannot be sorted."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  see _validator

    if wanted and isinstance(instance, list):
        seen = {msgspec.json.encode(item, order="sorted") for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("has items that are the same")


def _formats() -> Any:
    import jsonschema  # noqa: PLC0415  see _validator

    checker = jsonschema.FormatChecker(formats=())
    checker.checks("date-time", raises=ValueError)(lambda value: _is_time(value, "T"))
    checker.checks("date", raises=ValueError)(lambda value: _is_time(value, None))
    checker.checks("uri", raises=ValueError)(_is_uri)
    checker.checks("time-zone", raises=(KeyError, ValueError, OSError))(_is_zone)
    checker.checks("email")(lambda value: not isinstance(value, str) or bool(_EMAIL.fullmatch(value)))
    return checker


_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _is_time(value: Any, separator: str | None) -> bool:
    if not isinstance(value, str):
        return True
    if separator is None:
        return bool(_DATE.fullmatch(value)) and bool(datetime.fromisoformat(value))
    return read_time(value).tzinfo is not None


def read_time(value: str) -> datetime:
    """ISO 8601 with any number of decimals and Z, which Python 3.10 does not read by itself."""
    spelled = re.sub(r"(\.\d{6})\d+", r"\1", value.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    fraction = re.search(r"\.(\d{1,5})(?!\d)", spelled)
    if fraction:
        spelled = spelled.replace(fraction.group(0), f".{fraction.group(1):<06}", 1)
    return datetime.fromisoformat(spelled)


def _is_zone(value: Any) -> bool:
    return not isinstance(value, str) or bool(ZoneInfo(value))


def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and not re.search(r"\s", value))


def _check_size(data: Any) -> None:
    if not isinstance(data, dict):
        raise RequestError("The data is a JSON object.", field="data")
    waiting, parts = [(data, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if isinstance(value, dict) and any(len(name) > MAX_NAME for name in value):
            raise TooLargeError(f"The data has a name of over {MAX_NAME} characters.", field="data")
        parts += len(inner)
        if depth > MAX_DEPTH or parts > MAX_DATA_PARTS:
            message = f"The data is over {MAX_DATA_PARTS} values, or more than {MAX_DEPTH} deep."
            raise TooLargeError(message, field="data")
        waiting.extend((part, depth + 1) for part in inner)
    if len(msgspec.json.encode(data)) > MAX_DATA_BYTES:
        raise TooLargeError(f"The data is over {MAX_DATA_BYTES // 1024} KiB of JSON.", field="data")


def _field(error: ValidationError) -> str:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required" and isinstance(error.instance, dict):
        wanted: Any = error.validator_value
        missing = [name for name in wanted if name not in error.instance]
        path.extend(missing[:1])
    return ".".join(["data", *path])


def _words(error: ValidationError) -> str:
    text = error.message if len(error.message) <= 300 else f"{error.message[:299]}…"
    return f"The data does not fit the template's schema: {text}."
