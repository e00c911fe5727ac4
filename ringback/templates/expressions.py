"""Card expressions evaluated over data, and checked against a schema without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ringback.errors import RequestError
from ringback.templates.arithmetic import MISSING, is_true, written
from ringback.templates.budget import Budget, RenderError
from ringback.templates.declared import Declared, nothing
from ringback.templates.functions import FUNCTIONS
from ringback.templates.syntax import Call, Constant, Index, Joined, Member, Name, Node

# A name for each item comes second: foreach(list, x, x.price).
EACH = ("foreach", "select", "where", "any", "all")
LAZY = ("if", "&&", "and", "||", "or", "??", "coalesce")
# Out of these comes a list that may hold one thing many times.
BUILDING = ("createArray", "concat")
LISTS_KEPT = ("reverse", "unique", "skip", "take")


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What names mean: the whole data, the data that an element is bound to, its number in a repetition."""

    root: Any
    data: Any
    index: int | None = None
    budget: Budget
    named: dict[str, Any] = msgspec.field(default_factory=dict)

    def of(self, name: str) -> Any:
        """The value of a name, or MISSING."""
        special = {"$root": self.root, "$data": self.data, "$index": MISSING if self.index is None else self.index}
        if name in self.named:
            return self.named[name]
        return special[name] if name in special else _property(self.data, name)


def evaluate(node: Node | str, scope: Scope) -> Any:
    """The value of an expression; MISSING where a property is not there; RenderError where it makes no sense."""
    if isinstance(node, str):
        return node
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Name):
        return scope.of(node.name)
    if isinstance(node, Member):
        return _property(evaluate(node.of, scope), node.name)
    if isinstance(node, Index):
        return _item(evaluate(node.of, scope), evaluate(node.key, scope))
    if isinstance(node, Joined):
        return "".join(text_of(part, scope, written) for part in node.parts)
    return _called(node, scope)


def text_of(part: str | Node, scope: Scope, escape: Callable[[Any], str]) -> str:
    """A part of a text; a value goes through `escape`, and a missing one is an error."""
    if isinstance(part, str):
        return part
    return escape(there(evaluate(part, scope), part))


def there(value: Any, node: Node) -> Any:
    """The value, unless it is missing."""
    if value is MISSING:
        raise RenderError(
            f"{spelled(node)} is missing: make it required in the schema, give it a default there, or drop the element "
            f"with $when"
        )
    return value


def spelled(node: Node | str) -> str:
    """An expression in words for an error."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Member):
        return f"{spelled(node.of)}.{node.name}"
    if isinstance(node, Index):
        return f"{spelled(node.of)}[{spelled(node.key)}]"
    if isinstance(node, Constant):
        return repr(node.value)
    return f"the value of {node.name}(…)" if isinstance(node, Call) else "the text"


def _called(node: Call, scope: Scope) -> Any:
    scope.budget.spend()
    if node.name in LAZY:
        return _lazy(node, scope)
    if node.name in EACH:
        return _each(node, scope)
    _, _, function = FUNCTIONS[known(node)]
    arguments = [evaluate(argument, scope) for argument in node.args]
    try:
        value = function(*arguments)
    except RequestError:
        raise
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise RenderError(f"{node.name}: {error}.") from None
    if node.name in BUILDING and isinstance(value, list):
        scope.budget.build(value)
    return value


def known(node: Call) -> str:
    """The function's name, when there is such a function of so many arguments; RequestError otherwise."""
    if node.name in EACH:
        if len(node.args) != 3 or not isinstance(node.args[1], Name):
            raise RequestError(f"{node.name} takes a list, a name, and an expression with that name.")
        return node.name
    least, most = (3, 3) if node.name == "if" else (1, 20)
    if node.name not in LAZY:
        if node.name not in FUNCTIONS:
            raise RequestError(f"There is no function {node.name!r} for cards here.")
        least, most, _ = FUNCTIONS[node.name]
    if not least <= len(node.args) <= most:
        raise RequestError(f"{node.name} takes {least} to {most} arguments, not {len(node.args)}.")
    return node.name


def _lazy(node: Call, scope: Scope) -> Any:
    name, args = known(node), node.args
    if name == "if":
        return evaluate(args[1] if is_true(evaluate(args[0], scope)) else args[2], scope)
    if name in {"&&", "and"}:
        return all(is_true(evaluate(argument, scope)) for argument in args)
    if name in {"||", "or"}:
        return any(is_true(evaluate(argument, scope)) for argument in args)
    values = (evaluate(argument, scope) for argument in args)
    return next((value for value in values if value is not None and value is not MISSING), None)


def _each(node: Call, scope: Scope) -> Any:
    known(node)
    items, item, body = evaluate(node.args[0], scope), node.args[1], node.args[2]
    if not isinstance(items, list) or not isinstance(item, Name):
        raise RenderError(f"{node.name} is for lists: {spelled(node.args[0])} is none.")
    results = []
    for value in items:
        scope.budget.spend()
        inner = msgspec.structs.replace(scope, named={**scope.named, item.name: value})
        results.append(evaluate(body, inner))
    if node.name == "where":
        return [value for value, wanted in zip(items, results, strict=True) if is_true(wanted)]
    if node.name in {"any", "all"}:
        return (any if node.name == "any" else all)(map(is_true, results))
    scope.budget.build(results)
    return results


def _property(value: Any, name: str) -> Any:
    return value.get(name, MISSING) if isinstance(value, dict) else MISSING


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if 0 <= key < len(value) else MISSING
    return _property(value, key) if isinstance(key, str) else MISSING


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """A scope for checking: where in the schema the names lead."""

    root: Declared
    data: Declared
    named: dict[str, Declared] = msgspec.field(default_factory=dict)


def check(node: Node | str, places: Places) -> Declared:
    """Where an expression leads; RequestError for unknown functions and for what the schema does not declare."""
    if isinstance(node, Name):
        return _check_name(node.name, places)
    if isinstance(node, Member):
        return _declared(check(node.of, places), node.name)
    if isinstance(node, Index):
        return _check_index(node, places)
    if isinstance(node, Joined):
        for part in node.parts:
            check(part, places)
    elif isinstance(node, Call):
        return _check_call(node, places)
    return nothing()


def _check_name(name: str, places: Places) -> Declared:
    if name in places.named:
        return places.named[name]
    special = {"$root": places.root, "$data": places.data, "$index": nothing()}
    if name.startswith("$") and name not in special:
        raise RequestError(f"{name} is not available here: there are $root, $data and $index.")
    return special[name] if name in special else _declared(places.data, name)


def _check_index(node: Index, places: Places) -> Declared:
    of = check(node.of, places)
    if isinstance(node.key, Constant) and isinstance(node.key.value, str):
        return _declared(of, node.key.value)
    check(node.key, places)
    items = of.items()
    if items is None:
        message = f"{spelled(node)} cannot be checked against the schema: only a list has items, name the property"
        raise RequestError(f"{message}.")
    return items


def _check_call(node: Call, places: Places) -> Declared:
    known(node)
    if node.name in EACH and isinstance(node.args[1], Name):
        over = check(node.args[0], places)
        inner = {**places.named, node.args[1].name: over.items() or nothing()}
        made = check(node.args[2], msgspec.structs.replace(places, named=inner))
        if node.name == "where":
            return over
        return made.as_list() if node.name in {"foreach", "select"} else nothing()
    found = [check(argument, places) for argument in node.args]
    if node.name in {"first", "last"}:
        return found[0].items() or nothing()
    if node.name == "if":
        return found[1].beside(found[2])
    if node.name in {"??", "coalesce"}:
        return found[0].beside(*found[1:])
    return found[0] if node.name in LISTS_KEPT else nothing()


def _declared(place: Declared, name: str) -> Declared:
    found = place.property(name)
    if found is None:
        there_is = ", ".join(place.names()[:20])
        known_there = f"declared there: {there_is}" if there_is else "nothing is declared there"
        raise RequestError(f"{name!r} is not declared in the schema ({known_there}).")
    return found
