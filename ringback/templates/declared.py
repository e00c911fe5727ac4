"""What a JSON Schema declares: walked along a placeholder's path without any data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringback.templates.data_schema import Schema, resolve


class Declared:
    """A place in the data as the schema sees it; `literal` and computed values are places of no properties."""

    def __init__(self, root: Schema, *schemas: Any) -> None:
        self._root = root
        self._schemas = schemas

    def property(self, name: str) -> Declared | None:
        """The place of a property, or None when the schema does not declare it."""
        found = []
        for schema in self._all():
            properties = schema.get("properties", {})
            extra = schema.get("additionalProperties")
            if name in properties:
                found.append(properties[name])
            elif isinstance(extra, dict):
                found.append(extra)
        return Declared(self._root, *found) if found else None

    def items(self) -> Declared | None:
        """The place of an array's items, or None when no array is declared here."""
        found = []
        for schema in self._all():
            if isinstance(schema.get("items"), dict):
                found.append(schema["items"])
            found.extend(inner for inner in schema.get("prefixItems", ()) if isinstance(inner, dict))
        return Declared(self._root, *found) if found else None

    def values(self) -> Declared:
        """The place of whatever is in an object whose keys are not known."""
        found: list[Any] = []
        for schema in self._all():
            found.extend(schema.get("properties", {}).values())
            if isinstance(schema.get("additionalProperties"), dict):
                found.append(schema["additionalProperties"])
        return Declared(self._root, *found)

    def items_or_itself(self) -> Declared:
        """What `$data` makes the scope: each item of a list, else the object itself."""
        return self.items() or self

    def as_list(self) -> Declared:
        """A list of what is here."""
        return Declared(self._root, {"items": {"anyOf": list(self._schemas)}})

    def beside(self, *others: Declared) -> Declared:
        """One of several places; all of them have to lie in one schema or be nothing."""
        roots = [place._root for place in (self, *others) if place._root]  # noqa: SLF001  its own kind
        schemas = [schema for place in (self, *others) for schema in place._schemas]  # noqa: SLF001  likewise
        return Declared(roots[0] if roots else {}, *schemas)

    def names(self) -> list[str]:
        """The properties declared here."""
        return sorted({name for schema in self._all() for name in schema.get("properties", {})})

    def _all(self) -> Iterator[Schema]:
        waiting = list(self._schemas)
        while waiting:
            schema = waiting.pop()
            if not isinstance(schema, dict):
                continue
            yield schema
            if "$ref" in schema:
                waiting.append(resolve(self._root, schema["$ref"]))
            for key in ("allOf", "anyOf", "oneOf"):
                waiting.extend(schema.get(key, ()))
            waiting.extend(schema[key] for key in ("then", "else") if key in schema)


def of_literal(value: Any) -> Declared:
    """The place of a value that a template writes out itself."""
    schema = _schema_of(value)
    return Declared(schema, schema)


def nothing() -> Declared:
    """The place of a computed value: it has no properties and no items."""
    return Declared({})


def _schema_of(value: Any) -> Schema:
    if isinstance(value, dict):
        return {"properties": {name: _schema_of(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"items": {"anyOf": [_schema_of(inner) for inner in value]}}
    return {}
