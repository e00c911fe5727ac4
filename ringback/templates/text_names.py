"""What a text may say, checked on its syntax tree: allowed constructs, and only names that the schema declares."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import nodes

from ringback.errors import RequestError
from ringback.templates import filters
from ringback.templates.declared import Declared, nothing, of_literal
from ringback.templates.sandbox import LOOP_NAMES

Scope = Mapping[str, Declared]
MAX_NESTING = 60
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.NSRef, nodes.Getattr, nodes.Getitem,
    nodes.Const, nodes.For, nodes.If, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or,
    nodes.Not, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
    nodes.Concat, nodes.CondExpr, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Assign, nodes.Slice,
    nodes.Keyword,
)  # fmt: skip
WORDS = {nodes.Call: "call", nodes.Macro: "macro", nodes.Pow: "**"}


class TextNames:
    """One text's check; `field` names it in errors."""

    def __init__(self, root: Declared, field: str) -> None:
        self._root = root
        self._field = field

    def check(self, tree: nodes.Template) -> None:
        """Raise RequestError at the first thing that is not allowed or not declared."""
        self._allowed(tree, 0)
        self._body(tree.body, {})

    def _allowed(self, node: nodes.Node, depth: int) -> None:
        if depth > MAX_NESTING:
            raise self._error(node, "The text is nested too deeply")
        if type(node) not in ALLOWED:
            word = WORDS.get(type(node), type(node).__name__.lower())
            raise self._error(node, f"{word} is not available in templates")
        if isinstance(node, nodes.For) and node.recursive:
            raise self._error(node, "Loops cannot be recursive")
        if isinstance(node, nodes.Name) and node.name.startswith("_"):
            raise self._error(node, f"{node.name} begins with an underscore")
        for inner in node.iter_child_nodes():
            self._allowed(inner, depth + 1)

    def _body(self, body: list[nodes.Node], scope: Scope) -> dict[str, Declared]:
        """Check statements in order; what they set is known to those after them."""
        known = dict(scope)
        for node in body:
            if isinstance(node, nodes.Output):
                for inner in node.nodes:
                    self._place(inner, known)
            elif isinstance(node, nodes.For):
                self._loop(node, known)
            elif isinstance(node, nodes.If):
                known = self._branches(node, known)
            elif isinstance(node, nodes.Assign):
                known.update(self._bind(node.target, self._place(node.node, known)))
            else:
                raise self._error(node, f"{type(node).__name__.lower()} is not available in templates")
        return known

    def _loop(self, node: nodes.For, scope: Scope) -> None:
        over = self._place(node.iter, scope)
        inner = {**scope, **self._bind(node.target, over.items() or nothing())}
        if node.test is not None:
            self._place(node.test, inner)
        counters = of_literal(dict.fromkeys(LOOP_NAMES))
        self._body(node.body, {**inner, "loop": counters})
        self._body(node.else_, scope)

    def _branches(self, node: nodes.If, scope: Scope) -> dict[str, Declared]:
        """A name set in every branch is known after them; one set in some is not."""
        self._place(node.test, scope)
        outcomes = [self._body(node.body, scope)]
        for branch in node.elif_:
            self._place(branch.test, scope)
            outcomes.append(self._body(branch.body, scope))
        outcomes.append(self._body(node.else_, scope))
        return {name: place for name, place in outcomes[0].items() if all(name in found for found in outcomes)}

    def _bind(self, target: nodes.Node, place: Declared) -> dict[str, Declared]:
        if isinstance(target, nodes.Name):
            return {target.name: place}
        if isinstance(target, nodes.Tuple) and all(isinstance(item, nodes.Name) for item in target.items):
            names = [item.name for item in target.items if isinstance(item, nodes.Name)]
            # `for key, value in object|items`: only the value has properties.
            return {**dict.fromkeys(names, nothing()), names[-1]: place}
        raise self._error(target, "Only plain names can be set")

    def _place(self, node: nodes.Node, scope: Scope) -> Declared:
        """Where in the data an expression leads, its parts checked on the way."""
        if isinstance(node, nodes.Name):
            found = scope.get(node.name) or self._root.property(node.name)
            return found or self._undeclared(node, node.name, self._root)
        if isinstance(node, nodes.Getattr):
            return self._property(node, self._place(node.node, scope), node.attr)
        if isinstance(node, nodes.Getitem):
            return self._item(node, scope)
        if isinstance(node, nodes.Filter):
            return self._filter(node, scope)
        if isinstance(node, nodes.CondExpr):
            self._place(node.test, scope)
            place = self._place(node.expr1, scope)
            if node.expr2 is not None:
                self._place(node.expr2, scope)
            return place
        for inner in node.iter_child_nodes():
            self._place(inner, scope)
        return nothing()

    def _item(self, node: nodes.Getitem, scope: Scope) -> Declared:
        place = self._place(node.node, scope)
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._property(node, place, node.arg.value)
        self._place(node.arg, scope)
        if isinstance(node.arg, nodes.Slice):
            return place
        if isinstance(node.arg, nodes.Const) or place.items():
            return place.items() or nothing()
        raise self._error(node, "A key that is computed cannot be checked against the schema: name the property")

    def _filter(self, node: nodes.Filter, scope: Scope) -> Declared:
        if node.node is None:
            raise self._error(node, "Filter blocks are not available in templates")
        place = self._place(node.node, scope)
        if node.name.startswith("_"):
            raise self._error(node, f"There is no filter {node.name}")
        arguments = [*node.args, *(pair.value for pair in node.kwargs)]
        for argument in arguments:
            self._place(argument, scope)
        attribute = self._attribute(node)
        if attribute is not None:
            target = place.items() or nothing()
            for part in attribute.split("."):
                inner = target.items() or nothing()
                target = inner if part.isdigit() else self._property(node, target, part)
            if node.name == "map":
                return target.as_list()
        if node.name == "items":
            return place.values().as_list()
        if node.name in filters.ONE:
            return place.items() or nothing()
        return place if node.name in {*filters.SAME, *filters.VALUE} else nothing()

    def _attribute(self, node: nodes.Filter) -> str | None:
        """The `attribute` that a filter is given, which has to be written out."""
        found: list[nodes.Expr] = [pair.value for pair in node.kwargs if pair.key == "attribute"]
        if node.name in filters.ATTRIBUTE_FIRST:
            found = node.args[:1]
        elif node.name == "join" and len(node.args) > 1:
            found = [node.args[1]]
        elif node.name == "sum" and node.args:
            found = node.args[:1]
        elif node.name in filters.ATTRIBUTE_NAMED and not found:
            self._named_filter(node)
            return None
        if not found:
            return None
        if isinstance(found[0], nodes.Const) and isinstance(found[0].value, str):
            return found[0].value
        raise self._error(node, f"The attribute of {node.name} has to be written out as a string")

    def _named_filter(self, node: nodes.Filter) -> None:
        """`map('upper')` and `sort(false, false, 'x')`: the first may only name a filter, the second is refused."""
        if node.name == "map":
            named = node.args[0] if node.args else None
            if not isinstance(named, nodes.Const) or str(named.value).startswith("_") or str(named.value) == "map":
                raise self._error(node, "map needs attribute=… or the name of a filter")
        elif len(node.args) > 1 or (node.args and node.name == "unique"):
            raise self._error(node, f"Give {node.name} its arguments by name")

    def _property(self, node: nodes.Node, place: Declared, name: str) -> Declared:
        return place.property(name) or self._undeclared(node, name, place)

    def _undeclared(self, node: nodes.Node, name: str, place: Declared) -> Declared:
        there = place.names()
        known = f"declared there: {', '.join(there[:20])}" if there else "nothing is declared there"
        raise self._error(node, f"{name!r} is not declared in the schema ({known})")

    def _error(self, node: nodes.Node, message: str) -> RequestError:
        return RequestError(f"Line {node.lineno}: {message}.", field=self._field)
