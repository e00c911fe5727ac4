"""The grammar of `$filter`: text to a tree of comparisons.

expression = conjunction ("or" conjunction)*
conjunction = negation ("and" negation)*
negation = "not" negation | primary
primary = "(" expression ")" | operand [("eq" | "ne" | "gt" | "ge" | "lt" | "le") operand]
operand = property | 'string' | 1 | 1L | 1.5 | true | datetime'…' | guid'…' | X'…' | binary'…'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from local.services.tables.clock import parse_ticks
from local.services.tables.errors import ServiceError

COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
# Well below the depth at which Python's own recursion limit would end a request with a server error.
MAX_DEPTH = 100
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<typed>datetime|guid|binary|x)'(?P<typed_text>(?:[^']|'')*)'
    |'(?P<string>(?:[^']|'')*)'
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+|INF|NaN)[LdfMm]?)(?![\w.])
    |(?P<paren>[()])
    |(?P<word>[^\W\d]\w*)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


class Literal(NamedTuple):
    """A constant; `kind` is string, number, boolean, datetime (ticks), guid or binary."""

    kind: str
    value: str | int | float | bool | bytes


class Property(NamedTuple):
    name: str


Operand = Literal | Property


class Comparison(NamedTuple):
    left: Operand
    operator: str
    right: Operand


class Not(NamedTuple):
    term: Expression


class And(NamedTuple):
    terms: tuple[Expression, ...]


class Or(NamedTuple):
    terms: tuple[Expression, ...]


Expression = Comparison | Not | And | Or


class _Token(NamedTuple):
    kind: str  # operand | word | paren | end
    text: str
    operand: Operand | None = None


def parse_filter(text: str) -> Expression:
    """The tree of a `$filter`; raises ServiceError InvalidInput."""
    parser = _Parser(list(_tokens(text)))
    tree = parser.expression(0)
    if parser.peek().kind != "end":
        raise _malformed(f"nothing expected at {parser.peek().text!r}")
    return tree


def _malformed(detail: str) -> ServiceError:
    return ServiceError("InvalidInput", f"Syntax error in $filter: {detail}.")


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise _malformed(f"cannot read {text[position : position + 20]!r}")
        position = found.end()
        yield _token(found)
    yield _Token("end", "the end")


def _token(found: re.Match[str]) -> _Token:
    text = found.group().strip()
    if found["typed"]:
        return _Token("operand", text, _typed(found["typed"].lower(), found["typed_text"]))
    if found["string"] is not None:
        return _Token("operand", text, Literal("string", found["string"].replace("''", "'")))
    if found["number"]:
        return _Token("operand", text, _number(text))
    if found["paren"]:
        return _Token("paren", text)
    if text.lower() in {"true", "false"}:
        return _Token("operand", text, Literal("boolean", text.lower() == "true"))
    if text.lower() in {"and", "or", "not", *COMPARISONS}:
        return _Token("word", text.lower())
    return _Token("operand", text, Property(text))


def _typed(prefix: str, text: str) -> Literal:
    try:
        if prefix == "datetime":
            return Literal("datetime", parse_ticks(text))
        if prefix == "guid":
            return Literal("guid", str(UUID(text)))
        return Literal("binary", bytes.fromhex(text))
    except ValueError as error:
        raise _malformed(f"{text!r} is not a {prefix} value") from error


def _number(text: str) -> Literal:
    digits = text.rstrip("LlDdFfMm") if not text.upper().endswith("INF") else text
    if re.fullmatch(r"[+-]?\d+", digits):
        return Literal("number", int(digits))
    return Literal("number", float(digits))


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def peek(self) -> _Token:
        return self._tokens[self._position]

    def _take(self, kind: str, text: str) -> bool:
        token = self.peek()
        if token.kind == kind and token.text == text:
            self._position += 1
            return True
        return False

    def expression(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise _malformed("it is nested too deeply")
        terms = [self._conjunction(depth)]
        while self._take("word", "or"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _conjunction(self, depth: int) -> Expression:
        terms = [self._negation(depth)]
        while self._take("word", "and"):
            terms.append(self._negation(depth))
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _negation(self, depth: int) -> Expression:
        negations = 0
        while self._take("word", "not"):
            negations += 1
        term = self._primary(depth)
        return Not(term) if negations % 2 else term

    def _primary(self, depth: int) -> Expression:
        if self._take("paren", "("):
            inner = self.expression(depth + 1)
            if not self._take("paren", ")"):
                raise _malformed(f"a closing parenthesis expected at {self.peek().text!r}")
            return inner
        left = self._operand()
        token = self.peek()
        if token.kind == "word" and token.text in COMPARISONS:
            self._position += 1
            return Comparison(left, token.text, self._operand())
        # A boolean alone stands for its comparison with true.
        return Comparison(left, "eq", Literal("boolean", value=True))

    def _operand(self) -> Operand:
        token = self.peek()
        if token.operand is None:
            raise _malformed(f"a property or a value expected at {token.text!r}")
        self._position += 1
        return token.operand
