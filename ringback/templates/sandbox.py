"""The jinja2 environments of template texts: one each for Markdown, plain text and HTML.

What a template can reach is data: keys of objects, items of lists, and a loop's counters. No attribute of any Python
object, no call, no operator that makes much out of little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from jinja2 import StrictUndefined, nodes
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.visitor import NodeTransformer

from ringback.templates import filters, markdown
from ringback.templates.budget import RenderError, kept_small

LOOP_NAMES = ("index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem")


class Sandbox(ImmutableSandboxedEnvironment):
    """Data in, text out."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`order.items` is the key "items", never a method of dict."""
        if isinstance(obj, LoopContext) and attribute in LOOP_NAMES:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A key of an object, an item or a slice of a list or a string."""
        if isinstance(obj, Undefined):
            # Which raises: StrictUndefined cannot be written.
            return str(obj)
        if isinstance(obj, dict) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, (list, tuple, str)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                pass
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic is for numbers; + joins strings too."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return filters.joined([left, right])
        for operand in (left, right):
            if isinstance(operand, Undefined):
                str(operand)
            if isinstance(operand, bool) or not isinstance(operand, (int, float)):
                raise RenderError(f"{operator} is for numbers: {str(operand)[:50]!r} is none.")
        return kept_small(super().call_binop(context, operator, left, right))

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        """Put the bounds into the code: every loop, every variable set, every ~ goes through a filter of ours."""
        return super()._generate(Bounding(self).visit(source), *args, **options)


class Bounding(NodeTransformer):
    """Wraps what could run long or grow large."""

    def __init__(self, environment: Sandbox) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  NodeTransformer's
        """Loops are counted."""
        self.generic_visit(node)
        node.iter = self._filtered(node.iter, filters.BOUNDED)
        return node

    def visit_Assign(self, node: nodes.Assign) -> nodes.Assign:  # noqa: N802  NodeTransformer's
        """Variables stay small, else doubling one forty times is a terabyte."""
        self.generic_visit(node)
        node.node = self._filtered(node.node, filters.KEPT)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802  NodeTransformer's
        """The parts are measured before they are joined."""
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno, environment=self._environment)
        return self._filtered(parts, filters.JOINED)

    def visit_List(self, node: nodes.List) -> nodes.Filter:  # noqa: N802  NodeTransformer's
        """What a list unfolds to is counted."""
        self.generic_visit(node)
        return self._filtered(node, filters.BUILT)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Filter:  # noqa: N802  NodeTransformer's
        """Likewise."""
        self.generic_visit(node)
        return self._filtered(node, filters.BUILT)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Tuple | nodes.Filter:  # noqa: N802  NodeTransformer's
        """Likewise, but for the names that a loop or `set` binds."""
        self.generic_visit(node)
        return self._filtered(node, filters.BUILT) if node.ctx == "load" else node

    def _filtered(self, inner: nodes.Node, name: str) -> nodes.Filter:
        return nodes.Filter(
            cast("nodes.Expr", inner), name, [], [], None, None, lineno=inner.lineno, environment=self._environment
        )


def _as_markdown(value: Any) -> str:
    return value if isinstance(value, markdown.Markup) else markdown.escape(filters.plain(value))


def _as_plain(value: Any) -> str:
    return markdown.clean(filters.plain(value))


def _as_html(value: Any) -> Any:
    return value if hasattr(value, "__html__") else markdown.clean(filters.plain(value))


FINALIZE: dict[str, Callable[[Any], Any]] = {"markdown": _as_markdown, "plain": _as_plain, "html": _as_html}


@lru_cache(maxsize=8)
def sandbox(target: str) -> Sandbox:
    """The environment for a target: markdown, plain or html."""
    found = Sandbox(
        undefined=StrictUndefined,
        autoescape=target == "html",
        finalize=FINALIZE[target],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        cache_size=0,
    )
    # No range, lipsum, cycler, namespace: nothing but data.
    found.globals.clear()
    found.filters.clear()
    found.filters.update(filters.filters_for(target))
    found.tests.clear()
    found.tests.update({name: JINJA_TESTS[name] for name in filters.TESTS})
    return found
