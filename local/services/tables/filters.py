"""What a `$filter` does: which rows it takes, and between which keys they can lie."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from local.services.tables.clock import parse_ticks
from local.services.tables.edm import TYPE_SUFFIX
from local.services.tables.filter_syntax import And, Comparison, Expression, Literal, Not, Or, Property

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


class Row:
    """One stored entity; its properties are only decoded when something asks for them."""

    __slots__ = ("_properties", "body", "partition", "row", "ticks")

    def __init__(self, partition: str, row: str, ticks: int, body: bytes) -> None:
        self.partition = partition
        self.row = row
        self.ticks = ticks
        self.body = body
        self._properties: dict[str, Any] | None = None

    @property
    def properties(self) -> dict[str, Any]:
        if self._properties is None:
            self._properties = msgspec.json.decode(self.body, type=dict[str, Any])
        return self._properties

    def value(self, name: str) -> Literal | None:
        """A property as a filter compares it; None when the entity has none of that name."""
        if name == "PartitionKey":
            return Literal("string", self.partition)
        if name == "RowKey":
            return Literal("string", self.row)
        if name == "Timestamp":
            return Literal("datetime", self.ticks)
        return _comparable(self.properties, name)


class Bounds(NamedTuple):
    """Inclusive bounds of the keys that can satisfy a filter; None is open."""

    partition_low: str | None = None
    partition_high: str | None = None
    row_low: str | None = None
    row_high: str | None = None


def _comparable(properties: Mapping[str, Any], name: str) -> Literal | None:
    value = properties.get(name)
    if value is None:
        return None
    annotation = properties.get(name + TYPE_SUFFIX)
    if annotation is None:
        if isinstance(value, bool):
            return Literal("boolean", value)
        return Literal("string", value) if isinstance(value, str) else Literal("number", value)
    if annotation == "Edm.Int64":
        return Literal("number", int(value))
    if annotation == "Edm.Double":
        return Literal("number", float(value))
    if annotation == "Edm.DateTime":
        return Literal("datetime", parse_ticks(value))
    if annotation == "Edm.Guid":
        return Literal("guid", value)
    return Literal("binary", base64.b64decode(value))


def matches(expression: Expression, row: Row) -> bool:
    """Whether a row satisfies the filter; a comparison with a property that the row lacks is false, also `ne`."""
    if isinstance(expression, And):
        return all(matches(term, row) for term in expression.terms)
    if isinstance(expression, Or):
        return any(matches(term, row) for term in expression.terms)
    if isinstance(expression, Not):
        return not matches(expression.term, row)
    return _holds(expression, row)


def _holds(comparison: Comparison, row: Row) -> bool:
    left = row.value(comparison.left.name) if isinstance(comparison.left, Property) else comparison.left
    right = row.value(comparison.right.name) if isinstance(comparison.right, Property) else comparison.right
    if left is None or right is None:
        return False
    if left.kind != right.kind:
        return comparison.operator == "ne"
    return _OPERATORS[comparison.operator](left.value, right.value)


def bounds_of(expression: Expression | None) -> Bounds:
    """Keys outside of the bounds cannot satisfy the filter, so only what lies between them is read."""
    if isinstance(expression, And):
        result = Bounds()
        for term in expression.terms:
            result = _intersection(result, bounds_of(term))
        return result
    if isinstance(expression, Or):
        parts = [bounds_of(term) for term in expression.terms]
        return Bounds(*(_hull([part[place] for part in parts], low=place % 2 == 0) for place in range(4)))
    if isinstance(expression, Comparison):
        return _bounds_of_comparison(expression)
    return Bounds()


def _bounds_of_comparison(comparison: Comparison) -> Bounds:
    left, name, right = comparison
    if isinstance(left, Literal):
        left, name, right = right, _MIRRORED[name], left
    if not isinstance(left, Property) or not isinstance(right, Literal) or not isinstance(right.value, str):
        return Bounds()
    low = right.value if name in {"eq", "gt", "ge"} else None
    high = right.value if name in {"eq", "lt", "le"} else None
    if right.kind != "string":
        return Bounds()
    if left.name == "PartitionKey":
        return Bounds(partition_low=low, partition_high=high)
    return Bounds(row_low=low, row_high=high) if left.name == "RowKey" else Bounds()


def _intersection(first: Bounds, second: Bounds) -> Bounds:
    return Bounds(
        *(
            _tighter([value for value in (first[place], second[place]) if value is not None], low=place % 2 == 0)
            for place in range(4)
        )
    )


def _tighter(values: list[str], *, low: bool) -> str | None:
    if not values:
        return None
    return max(values) if low else min(values)


def _hull(values: list[str | None], *, low: bool) -> str | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return min(known) if low else max(known)
