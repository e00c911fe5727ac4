"""Adaptive Card templates bound to data: `${…}`, `$data` that repeats or rescopes, `$when` that drops.

As Microsoft's adaptivecards-templating does it, which tests compare with; but what is missing is an error, where that
leaves the expression standing in the card for the reader to see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ringback.errors import RequestError, TooLargeError
from ringback.templates import markdown
from ringback.templates.arithmetic import written
from ringback.templates.budget import Budget
from ringback.templates.declared import Declared, of_literal
from ringback.templates.expressions import Places, Scope, check, evaluate, text_of, there
from ringback.templates.syntax import Joined, Node, parse_string

RESERVED = ("$data", "$when")
MAX_DEPTH = 40
Path = tuple[str | int, ...]
Escape = Callable[[Any], str]


def bind(card: Any, data: Any, budget: Budget, field: str = "card", *, escaping: bool = True) -> Any:
    """The card with the data in it. With `escaping`, values stay text where cards read Markdown."""
    return _Binding(budget, field, escaping).expand(card, Scope(root=data, data=data, budget=budget), ())


def check_bindings(card: Any, root: Declared, field: str) -> None:
    """Raise RequestError, naming the place in the card, for broken expressions and undeclared names."""
    _check(card, Places(root=root, data=root), field, 0)


class _Binding:
    def __init__(self, budget: Budget, field: str, escaping: bool) -> None:
        self._budget = budget
        self._field = field
        self._escaping = escaping

    def expand(self, node: Any, scope: Scope, path: Path, owner: str = "") -> Any:
        """A value, or a list where an object repeats, or None where one is dropped."""
        self._budget.spend()
        if isinstance(node, str):
            return self._text(node, scope, path, owner)
        if isinstance(node, list):
            return list(self._items(node, scope, path, owner))
        if isinstance(node, dict):
            found = list(self._objects(node, scope, path, owner))
            return None if not found else found[0] if len(found) == 1 else found
        return node

    def _items(self, nodes: list[Any], scope: Scope, path: Path, owner: str) -> Iterator[Any]:
        for index, node in enumerate(nodes):
            found = self.expand(node, scope, (*path, index), owner)
            if isinstance(found, list):
                yield from found
            elif found is not None:
                yield found

    def _objects(self, node: dict[str, Any], scope: Scope, path: Path, owner: str) -> Iterator[Any]:
        for inner in self._scopes(node, scope, path):
            if "$when" in node and not self._wanted(node["$when"], inner, path):
                continue
            yield self._properties(node, inner, path, str(node.get("type", owner)))

    def _properties(self, node: dict[str, Any], scope: Scope, path: Path, owner: str) -> dict[str, Any]:
        """Without the properties whose objects were dropped; a null that the template writes stays."""
        self._guarded(path, lambda: self._budget.write(list(node)))
        expanded = {
            key: self.expand(bound, scope, (*path, key), owner) for key, bound in node.items() if key not in RESERVED
        }
        return {key: value for key, value in expanded.items() if value is not None or node[key] is None}

    def _scopes(self, node: dict[str, Any], scope: Scope, path: Path) -> Iterator[Scope]:
        if "$data" not in node:
            yield scope
            return
        data = node["$data"]
        if isinstance(data, str):
            data = self._value(data, scope, (*path, "$data"))
        if isinstance(data, list):
            for index, item in enumerate(data):
                yield msgspec.structs.replace(scope, data=item, index=index)
        else:
            yield msgspec.structs.replace(scope, data=data)

    def _wanted(self, when: Any, scope: Scope, path: Path) -> bool:
        if not isinstance(when, str):
            return not when
        parsed = parse_string(when)
        return self._guarded((*path, "$when"), lambda: evaluate(parsed, scope)) is True

    def _value(self, text: str, scope: Scope, path: Path) -> Any:
        parsed = parse_string(text)
        if isinstance(parsed, str):
            return parsed
        return self._guarded(path, lambda: there(evaluate(parsed, scope), parsed))

    def _text(self, text: str, scope: Scope, path: Path, owner: str) -> Any:
        value = self._guarded(path, lambda: self._bound(text, scope, path, owner))
        # A part that repeats may put one long text into the card a thousand times over.
        self._guarded(path, lambda: self._budget.write(value))
        return value

    def _bound(self, text: str, scope: Scope, path: Path, owner: str) -> Any:
        parsed = parse_string(text)
        if isinstance(parsed, str):
            return parsed
        escape = markdown_of if self._escaping and is_markdown(owner, path) else clean_of
        if isinstance(parsed, Joined):
            return _joined(parsed.parts, scope, escape)
        value = there(evaluate(parsed, scope), parsed)
        return escape(value) if isinstance(value, str) else value

    def _guarded(self, path: Path, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except RequestError as error:
            error.field = ".".join([self._field, *map(str, path)])
            raise


def is_markdown(owner: str, path: Path) -> bool:
    """Whether hosts read Markdown in this property: a text block's text, a fact's title and value."""
    if owner == "TextBlock":
        return path[-1] == "text"
    return len(path) > 2 and path[-3] == "facts" and path[-1] in {"title", "value"}


def markdown_of(value: Any) -> str:
    """A value as it stands in a text block."""
    return markdown.escape(written(value)) if isinstance(value, str) else written(value)


def clean_of(value: Any) -> str:
    """A value as it stands in any other text: it turns the direction of nothing beside it."""
    return markdown.clean(written(value))


def _joined(parts: tuple[str | Node, ...], scope: Scope, escape: Escape) -> str:
    return "".join(text_of(part, scope, escape) for part in parts)


def _check(node: Any, places: Places, field: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooLargeError(f"The card is more than {MAX_DEPTH} deep.", field=field)
    if isinstance(node, str):
        _checked(node, places, field)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            _check(item, places, f"{field}.{index}", depth + 1)
    elif isinstance(node, dict):
        inner = _inner_places(node, places, f"{field}.$data")
        for key, value in node.items():
            if key.startswith("$") and key not in {*RESERVED, "$schema"}:
                raise RequestError(f"{key} is not available here.", field=f"{field}.{key}")
            if key == "$when" and (not isinstance(value, str) or isinstance(parse(value, f"{field}.{key}"), str)):
                raise RequestError("$when is an expression, such as ${exists(name)}.", field=f"{field}.{key}")
            if key != "$data":
                _check(value, inner, f"{field}.{key}", depth + 1)


def _inner_places(node: dict[str, Any], places: Places, field: str) -> Places:
    if "$data" not in node:
        return places
    data = node["$data"]
    found = _checked(data, places, field) if isinstance(data, str) else of_literal(data)
    return msgspec.structs.replace(places, data=found.items_or_itself())


def _checked(text: str, places: Places, field: str) -> Declared:
    try:
        return check(parse_string(text), places)
    except RequestError as error:
        error.field = field
        raise


def parse(text: str, field: str) -> str | Node:
    """`parse_string`, its error naming the field."""
    try:
        return parse_string(text)
    except RequestError as error:
        raise RequestError(str(error), field=field) from None
