"""Route templates of HTTP triggers: `products/{category:alpha}/{id:int?}`, `{*rest}`, `{page=1}`; case-insensitive."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_][\w-]*)((?::[^{}?=]+(?:\{[^{}]*\})?[^{}?=]*)*)(\?)?(?:=([^{}]*))?\}")
GUID = re.compile(r"^\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?$")
NUMBER = re.compile(r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$")
WHOLE = re.compile(r"^[+-]?\d+$")
LITERAL, CONSTRAINED, PLAIN, CATCH_ALL = range(4)


class RouteError(Exception):
    """A route template that cannot be understood; the message quotes it."""


@dataclass(frozen=True)
class Parameter:
    name: str
    catch_all: bool
    optional: bool
    default: str | None
    checks: tuple[Callable[[str], bool], ...]


@dataclass(frozen=True)
class Route:
    """A compiled template. The smaller its `rank`, the earlier it is tried."""

    template: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    rank: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route values of a raw path without its leading slash, or None."""
        found = self.pattern.match(path.strip("/"))
        if found is None:
            return None
        values: dict[str, str] = {}
        for number, parameter in enumerate(self.parameters):
            raw = found.group(f"p{number}")
            if not raw:
                if parameter.default is not None:
                    values[parameter.name] = parameter.default
                continue
            value = urllib.parse.unquote(raw)
            if not all(check(value) for check in parameter.checks):
                return None
            values[parameter.name] = value
        return values


def compile_route(template: str) -> Route:
    """Raises RouteError."""
    parameters: list[Parameter] = []
    pattern, rank = "", []
    for segment in [s for s in template.strip("/").split("/") if s] if "{" not in template else _segments(template):
        text, level = _segment(segment, parameters, template)
        last = parameters[-1] if "{" in segment else None
        droppable = (
            last is not None
            and segment.startswith("{")
            and (last.optional or last.catch_all or last.default is not None)
        )
        slash = "/" if pattern else ""
        pattern += f"(?:{slash}{text})?" if droppable else slash + text
        rank.append(level)
    return Route(template, re.compile(f"^{pattern}$", re.IGNORECASE | re.DOTALL), tuple(parameters), tuple(rank))


def _segments(template: str) -> list[str]:
    """Split at slashes outside braces: a regex constraint may hold one."""
    parts, depth, part = [], 0, ""
    for character in template.strip("/"):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "/" and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [p for p in [*parts, part] if p]


def _segment(segment: str, parameters: list[Parameter], template: str) -> tuple[str, int]:
    """The pattern of one segment, and how late it is tried."""
    pattern, at, level = "", 0, LITERAL
    for found in PARAMETER.finditer(segment):
        pattern += re.escape(segment[at : found.start()])
        stars, name, constraints, optional, default = found.groups()
        checks = tuple(_constraint(c, template) for c in constraints.split(":")[1:])
        parameters.append(Parameter(name, bool(stars), bool(optional), default, checks))
        pattern += f"(?P<p{len(parameters) - 1}>{'.*' if stars else '[^/]+'})"
        level = max(level, CATCH_ALL if stars else CONSTRAINED if checks else PLAIN)
        at = found.end()
    rest = segment[at:]
    if "{" in rest or "}" in rest:
        raise RouteError(f"the route '{template}' cannot be understood at '{segment}'")
    return pattern + re.escape(rest), level


def _constraint(text: str, template: str) -> Callable[[str], bool]:
    name, _, argument = text.partition("(")
    argument = argument.rstrip(")")
    if name in SIMPLE:
        return SIMPLE[name]
    if name == "regex":
        return lambda value: re.search(argument, value, re.IGNORECASE) is not None
    try:
        bounds = [int(part) for part in argument.split(",")]
        return BOUNDED[name](bounds)
    except (KeyError, ValueError):
        raise RouteError(f"the route '{template}' has the constraint '{text}', which is none") from None


SIMPLE: dict[str, Callable[[str], bool]] = {
    "int": lambda v: bool(WHOLE.match(v)) and -(2**31) <= int(v) < 2**31,
    "long": lambda v: bool(WHOLE.match(v)) and -(2**63) <= int(v) < 2**63,
    "bool": lambda v: v.lower() in ("true", "false"),
    "decimal": lambda v: bool(NUMBER.match(v)),
    "double": lambda v: bool(NUMBER.match(v)),
    "float": lambda v: bool(NUMBER.match(v)),
    "guid": lambda v: bool(GUID.match(v)),
    "alpha": lambda v: v.isascii() and v.isalpha(),
    "datetime": lambda v: bool(re.match(r"^\d{4}-\d{2}-\d{2}|^\d{1,2}/\d{1,2}/\d{4}", v)),
    "required": lambda v: v != "",
}
BOUNDED: dict[str, Callable[[list[int]], Callable[[str], bool]]] = {
    "minlength": lambda b: lambda v: len(v) >= b[0],
    "maxlength": lambda b: lambda v: len(v) <= b[0],
    "length": lambda b: lambda v: b[0] <= len(v) <= b[-1],
    "min": lambda b: lambda v: bool(WHOLE.match(v)) and int(v) >= b[0],
    "max": lambda b: lambda v: bool(WHOLE.match(v)) and int(v) <= b[0],
    "range": lambda b: lambda v: bool(WHOLE.match(v)) and b[0] <= int(v) <= b[-1],
}
