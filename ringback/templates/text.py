"""A template's text: compiled and checked when it is stored, rendered within bounds when it is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ringback.errors import RequestError, RingbackError, TooLargeError
from ringback.templates.budget import Budget, RenderError, check_length
from ringback.templates.declared import Declared

if TYPE_CHECKING:
    import jinja2

MARKDOWN, PLAIN, HTML = "markdown", "plain", "html"
_UNSAFE = re.compile(r"(?:href|src|action)\s*=\s*[\"']?\s*(?:javascript|vbscript|data|file):", re.IGNORECASE)
# What a browser skips in an address.
_NOT_READ = re.compile(r"[\t\n]")


class Text:
    """One text for one target (markdown, plain or html); `field` names it in errors."""

    def __init__(self, source: str, target: str, field: str) -> None:
        self.source = source
        self.field = field
        self._target = target
        self._compiled: jinja2.Template | None = None

    def check(self, root: Declared) -> None:
        """Raise RequestError for broken syntax, what is not available, and names that the schema does not declare."""
        from ringback.templates.sandbox import sandbox  # noqa: PLC0415  jinja2 only where there is a text to render
        from ringback.templates.text_names import TextNames  # noqa: PLC0415  likewise

        try:
            tree = sandbox(self._target).parse(self.source)
        except Exception as error:  # noqa: BLE001  jinja2's, and Python's for what is nested too deeply
            raise self._broken(error) from None
        TextNames(root, self.field).check(tree)
        if self._target == HTML:
            from ringback.templates.html_places import check_places  # noqa: PLC0415  likewise

            check_places(tree, self.field)
        self._compile()

    def render(self, data: dict[str, Any], locale: str, budget: Budget) -> str:
        """The text with the data in it; RenderError when the data does not do, TooLargeError when it is too much."""
        template = self._compile()
        pieces, length = [], 0
        try:
            for piece in template.generate({**data, "_budget": budget, "_locale": locale}):
                length += len(piece)
                check_length(length)
                budget.spend()
                pieces.append(piece)
        except TooLargeError as error:
            raise TooLargeError(str(error), field=self.field) from None
        except RingbackError as error:
            raise RenderError(str(error), field=self.field) from None
        except Exception as error:  # noqa: BLE001  whatever an expression raises is the template's or the data's
            raise RenderError(f"{_words(error)}.", field=self.field) from None
        text = "".join(pieces)
        if self._target == HTML and _UNSAFE.search(_NOT_READ.sub("", text)):
            raise RenderError("The HTML links to a script or to data.", field=self.field)
        return text

    def _compile(self) -> jinja2.Template:
        if self._compiled is None:
            from ringback.templates.sandbox import sandbox  # noqa: PLC0415  see check

            try:
                self._compiled = sandbox(self._target).from_string(self.source)
            except Exception as error:  # noqa: BLE001  as in check
                raise self._broken(error) from None
        return self._compiled

    def _broken(self, error: Exception) -> Exception:
        """A syntax error of jinja2, or of Python for what is nested too deeply, as the author's mistake."""
        if isinstance(error, (RecursionError, MemoryError, SyntaxError)):
            return RequestError("The text is nested too deeply.", field=self.field)
        line = getattr(error, "lineno", None)
        where = f"Line {line}: " if line else ""
        return RequestError(f"{where}{_words(error)}.", field=self.field)


def _words(error: Exception) -> str:
    kind = type(error).__name__
    text = (str(error) or kind).rstrip(".")
    if kind == "UndefinedError":
        fix = "make it required in the schema, give it a default there, or guard it with `is defined`"
        return f"{text[:300]}: {fix}"
    return text[:300]
