"""Adaptive expressions, the language between `${` and `}` of a card: strings into syntax trees.

Grammar and precedence are those of Microsoft's adaptive-expressions, of which cards use the part without statements:
https://learn.microsoft.com/adaptive-cards/templating/language
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Union

import msgspec

from ringback.errors import RequestError

MAX_EXPRESSION = 2_000
MAX_NESTING = 40
# Loosest first; equality binds tighter than & and than the comparisons, as in Microsoft's grammar.
LEVELS = (("??",), ("||",), ("&&",), ("<", "<=", ">", ">="), ("&",), ("==", "!="), ("+", "-"), ("*", "/", "%"))
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)(?![A-Za-z_])"
    r"|(?P<string>'(?:\\['\\]|[^'])*'|\"(?:\\[\"\\]|[^\"])*\")"
    r"|(?P<name>[A-Za-z_$@#][A-Za-z0-9_]*)"
    r"|(?P<sign>=>|\?\?|\|\||&&|==|!=|<=|>=|[-+*/%^&<>!().,\[\]?:]))"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Constant(msgspec.Struct, frozen=True):
    """A number, string, true, false or null."""

    value: Any


class Name(msgspec.Struct, frozen=True):
    """A property of the data in scope, or $root, $data, $index."""

    name: str


class Member(msgspec.Struct, frozen=True):
    """`of.name`."""

    of: Node
    name: str


class Index(msgspec.Struct, frozen=True):
    """`of[key]`."""

    of: Node
    key: Node


class Call(msgspec.Struct, frozen=True):
    """A function, or an operator under its sign, with its operands; `item` names each of a foreach, select or where."""

    name: str
    args: tuple[Node, ...]


class Joined(msgspec.Struct, frozen=True):
    """Text with expressions in it."""

    parts: tuple[Union[str, Node], ...]  # noqa: UP007  msgspec evaluates it, and a forward name has no |


Node = Union[Constant, Name, Member, Index, Call, Joined]  # noqa: UP007  used before its parts at run time


@lru_cache(maxsize=2048)
def parse_string(text: str) -> str | Node:
    """A card's string: itself when nothing is bound in it, one expression, or a Joined; RequestError if malformed."""
    parts: list[str | Node] = []
    literal, position = "", 0
    while (start := text.find("${", position)) >= 0:
        if start and text[start - 1] == "\\":
            literal += text[position : start - 1] + "${"
            position = start + 2
            continue
        literal += text[position:start]
        end = _end_of_expression(text, start + 2)
        if literal:
            parts.append(literal)
        parts.append(_Parser(text[start + 2 : end]).whole())
        literal, position = "", end + 1
    literal += text[position:]
    if not parts:
        return literal
    if literal:
        parts.append(literal)
    if len(parts) == 1 and not isinstance(parts[0], (str, Constant)):
        return parts[0]
    return Joined(tuple(parts))


def _end_of_expression(text: str, start: int) -> int:
    quote = ""
    position = start
    while position < len(text):
        char = text[position]
        if quote and char == "\\":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "}":
            return position
        position += 1
    raise RequestError(f"{text[start - 2 : start + 40]!r} has no closing brace.")


class _Parser:
    """By recursive descent over the levels of precedence."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = self._split()
        self._position = 0
        self._depth = 0

    def whole(self) -> Node:
        """The expression, to its end."""
        found = self._conditional()
        if self._position < len(self._tokens):
            raise self._error(f"{self._tokens[self._position][1]!r} is out of place")
        return found

    def _split(self) -> list[tuple[str, str]]:
        if len(self._source) > MAX_EXPRESSION:
            raise RequestError(f"An expression is over {MAX_EXPRESSION} characters.")
        tokens, position = [], 0
        source = self._source.rstrip()
        while position < len(source):
            found = _TOKEN.match(source, position)
            if found is None:
                raise self._error(f"{source[position : position + 10].strip()!r} is not understood")
            tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()
        return tokens

    def _conditional(self) -> Node:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error("it is nested too deeply")
        found = self._binary(0)
        if self._taken("?"):
            yes = self._conditional()
            self._need(":")
            found = Call("if", (found, yes, self._conditional()))
        self._depth -= 1
        return found

    def _binary(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._power()
        found = self._binary(level + 1)
        while (sign := self._sign()) in LEVELS[level]:
            self._position += 1
            found = Call(sign, (found, self._binary(level + 1)))
        return found

    def _power(self) -> Node:
        base = self._unary()
        if self._taken("^"):
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise self._error("it is nested too deeply")
            base = Call("^", (base, self._power()))
            self._depth -= 1
        return base

    def _unary(self) -> Node:
        signs: list[str] = []
        while self._sign() in {"!", "-", "+"} and len(signs) < MAX_NESTING:
            signs.append(self._sign())
            self._position += 1
        found = self._primary()
        for sign in reversed(signs):
            found = Call("not", (found,)) if sign == "!" else Call(sign, (Constant(0), found))
        return found

    def _primary(self) -> Node:
        kind, token = self._next()
        found: Node
        if kind == "number":
            found = Constant(float(token) if "." in token else int(token))
        elif kind == "string":
            found = Constant(_unquoted(token))
        elif kind == "name":
            found = self._named(token)
        elif token == "(":  # noqa: S105  a sign
            found = self._conditional()
            self._need(")")
        elif token == "[":  # noqa: S105  a sign
            found = Call("createArray", self._arguments("]"))
        else:
            raise self._error(f"{token!r} is out of place" if token else "it ends too early")
        return self._suffixes(found)

    def _named(self, token: str) -> Node:
        if self._taken("("):
            return Call(token, self._arguments(")"))
        words: dict[str, Any] = {"true": True, "false": False, "null": None}
        return Constant(words[token]) if token in words else Name(token)

    def _suffixes(self, found: Node) -> Node:
        for _ in range(MAX_NESTING):
            if self._taken("."):
                kind, token = self._next()
                if kind != "name":
                    raise self._error("a property's name is missing after the dot")
                found = Member(found, token)
            elif self._taken("["):
                found = Index(found, self._conditional())
                self._need("]")
            else:
                return found
        raise self._error("it is nested too deeply")

    def _arguments(self, closing: str) -> tuple[Node, ...]:
        arguments: list[Node] = []
        while not self._taken(closing):
            if arguments:
                self._need(",")
            arguments.append(self._conditional())
            # `x => x.name`: the name before the arrow is an argument of its own, as in `foreach(list, x, x.name)`.
            if self._taken("=>"):
                arguments.append(self._conditional())
        return tuple(arguments)

    def _sign(self) -> str:
        kind, token = self._tokens[self._position] if self._position < len(self._tokens) else ("", "")
        return token if kind == "sign" else ""

    def _next(self) -> tuple[str, str]:
        if self._position == len(self._tokens):
            return "", ""
        self._position += 1
        return self._tokens[self._position - 1]

    def _taken(self, sign: str) -> bool:
        taken = self._sign() == sign
        self._position += taken
        return taken

    def _need(self, sign: str) -> None:
        if not self._taken(sign):
            raise self._error(f"{sign!r} is missing")

    def _error(self, message: str) -> RequestError:
        return RequestError(f"The expression ${{{self._source[:100]}}} is malformed: {message}.")


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1], flags=re.DOTALL)
