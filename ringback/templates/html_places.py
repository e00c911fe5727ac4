"""Where values may stand in the HTML of a template: in its text, and between the quotes of an attribute.

Escaping makes a value harmless only there: without quotes a blank begins an attribute of its own, and in a script
nothing is escaped at all.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from jinja2 import nodes

from ringback.errors import RequestError

# A character that nobody writes stands for every value.
VALUE = "\ue000"
CODE = ("script", "style")
PAGES = ("srcdoc",)
_CONDITIONAL = re.compile(r"\s*\[if\b[^\]]*\]>?", re.IGNORECASE)
_UNQUOTED = re.compile(rf"=\s*[^\s\"'>]*{VALUE}")
_QUOTED = re.compile(r"=\s*(?:\"[^\"]*\"|'[^']*')")


def check_places(tree: nodes.Template, field: str) -> None:
    """Raise RequestError for a value where what it says would become part of the page."""
    page = "".join(_written(tree))
    if f"<{VALUE}" in page:
        raise RequestError("A value cannot name a tag: write &lt; for a < that is shown.", field=field)
    try:
        _read(page, field)
    except AssertionError as error:
        # Of Python's parser, for a marked section that it does not know.
        raise RequestError(f"The HTML cannot be read: {error}.", field=field) from None


def _read(page: str, field: str) -> None:
    reader = _Places(field)
    reader.feed(page)
    reader.close()


def _written(node: nodes.Node) -> Iterator[str]:
    """The page as it is written, every branch and every loop once."""
    if isinstance(node, nodes.TemplateData):
        yield node.data.replace(VALUE, "")
    elif isinstance(node, nodes.CondExpr):
        yield from _written(node.expr1)
        yield from _written(node.expr2 or nodes.Const(""))
    elif isinstance(node, nodes.Const):
        yield html.escape(str(node.value).replace(VALUE, ""))
    elif isinstance(node, nodes.Expr):
        yield VALUE
    else:
        for part in node.iter_child_nodes(only=("nodes", "body", "elif_", "else_")):
            yield from _written(part)


class _Places(HTMLParser):
    def __init__(self, field: str) -> None:
        super().__init__(convert_charrefs=False)
        self._field = field
        self._code = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        written = self.get_starttag_text() or ""
        outside = _QUOTED.sub("=", written)
        if VALUE in outside:
            what = "has to stand in quotes" if _UNQUOTED.search(outside) else "cannot name a tag or an attribute"
            raise self._error(f"A value {what}: <{tag.replace(VALUE, '…')}")
        for name, value in attrs:
            if (name.startswith("on") or name in PAGES) and VALUE in (value or ""):
                raise self._error(f"A value cannot stand in a script or a page of its own: {name}")
        self._code = tag if tag in CODE else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # To a browser, <script/> is open.
        self.handle_starttag(tag, attrs)

    def handle_comment(self, data: str) -> None:
        # Outlook reads what other readers pass over.
        if _CONDITIONAL.match(data):
            _read(_CONDITIONAL.sub("", data), self._field)

    def handle_endtag(self, tag: str) -> None:
        if VALUE in tag:
            raise self._error("A value cannot name a tag or an attribute")
        self._code = ""

    def handle_data(self, data: str) -> None:
        if self._code and VALUE in data:
            raise self._error(f"A value cannot stand in a {self._code}")

    def _error(self, message: str) -> RequestError:
        return RequestError(f"{message}.", field=self._field)
