"""Filters and tests of template texts: jinja2's harmless ones, bounded ones for those that could grow, and ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, pass_context, pass_environment
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import Context, Undefined

from ringback.errors import RequestError
from ringback.templates import formats, markdown
from ringback.templates.budget import Budget, check_length, kept_small

# Names no template can say, since names that begin with an underscore are refused.
BUDGET, LOCALE = "_budget", "_locale"
# Added by the compiler, never written by an author.
BOUNDED, KEPT, JOINED, BUILT = "_bounded", "_kept", "_joined", "_built"

KEPT_FROM_JINJA = ("abs", "count", "d", "default", "first", "float", "int", "items", "last", "length")
# These go through lists, and are taken off the budget; those of each item do what may take long with every one.
OF_LISTS = ("list", "max", "min", "reverse", "sort", "sum", "unique")
OF_EACH_ITEM = ("map", "reject", "rejectattr", "select", "selectattr")
ITEMS_A_STEP = 10
MAX_DIGITS = 15
# These take whatever they are given for a string: `plain` refuses what is none.
OF_STRINGS = ("capitalize", "lower", "string", "title", "trim", "upper", "urlencode", "wordcount")
TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt", "in",
    "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence",
    "string", "true", "undefined", "upper", "==", "!=", ">", ">=", "<", "<=",
)  # fmt: skip
# What a filter makes of a place in the data: the same list, one of its items, pairs, what an attribute leads to.
SAME = ("reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique", "list")
ONE = ("first", "last", "max", "min")
VALUE = ("default", "d")
ATTRIBUTE_FIRST = ("selectattr", "rejectattr")
ATTRIBUTE_NAMED = ("map", "sum", "sort", "join", "unique", "max", "min")


def join(environment: Environment, value: Any, separator: str = "", attribute: str | None = None) -> str:
    """The items as one string; its length is known before it is made."""
    items = list(value) if attribute is None else list(map(make_attrgetter(environment, attribute), value))
    texts = [plain(item) for item in items]
    check_length(sum(map(len, texts)) + len(str(separator)) * len(texts))
    return str(separator).join(texts)


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` as `new`."""
    text, found = str(value), str(value).count(str(old))
    check_length(len(text) + found * len(str(new)))
    return text.replace(str(old), str(new))


def truncate(environment: Environment, value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    """At most `length` characters, cut between words."""
    shortened: str = FILTERS["truncate"](environment, plain(value), length, killwords, end, 0)
    return shortened


def joined(values: Sequence[Any]) -> str:
    """What `a ~ b` gives."""
    texts = [plain(value) for value in values]
    check_length(sum(map(len, texts)))
    return "".join(texts)


def plain(value: Any) -> str:
    """A value as a reader expects it; StrictUndefined raises here, lists and objects are refused."""
    if isinstance(value, Undefined):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(kept_small(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    raise RequestError(f"{_kind(value)} cannot be written into a text: choose a property, or loop over it.")


def bounded(context: Context, value: Any) -> list[Any]:
    """What a loop runs over, taken off the budget first."""
    if isinstance(value, Undefined):
        return list(value)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise RequestError("Only lists and objects can be looped over.")
    budget: Budget = context[BUDGET]
    items = Turns(value, budget)
    budget.spend(len(items) + 1)
    return items


class Turns(list[Any]):
    """Items of which each is handed out only while there is time."""

    def __init__(self, items: Iterable[Any], budget: Budget) -> None:
        super().__init__(items)
        self._budget = budget

    def __iter__(self) -> Iterator[Any]:
        return timed(super().__iter__(), self._budget)


def timed(items: Iterable[Any], budget: Budget, *, spending: bool = False) -> Iterator[Any]:
    """The items, for as long as there is time."""
    for number, item in enumerate(items):
        budget.spend(int(spending and number % ITEMS_A_STEP == 0))
        yield item


def built(context: Context, value: Any) -> Any:
    """A list or an object that the template writes out."""
    context[BUDGET].build(value)
    return value


def rounded(environment: Environment, value: Any, precision: int = 0, method: str = "common") -> Any:
    """A number of so many decimals."""
    if not isinstance(precision, int) or abs(precision) > MAX_DIGITS:
        raise RequestError(f"round takes up to {MAX_DIGITS} decimals, not {str(precision)[:20]}.")
    return environment.call_filter(_original("round"), value, [precision, method])


def _counted(name: str) -> Callable[..., Any]:
    """A filter of jinja2's whose list is taken off the budget."""

    def counted(context: Context, value: Any, *args: Any, **options: Any) -> Any:
        if name == "sum" and not isinstance(options.get("start", args[1] if len(args) > 1 else 0), (int, float)):
            raise RequestError("sum is for numbers.")
        environment, within = context.environment, _within(context[BUDGET], value, each=name in OF_EACH_ITEM)
        return environment.call_filter(_original(name), within, args, options, context, context.eval_ctx)

    return pass_context(counted)


def _within(budget: Budget, value: Any, *, each: bool) -> Any:
    if isinstance(value, Undefined) or not hasattr(value, "__iter__"):
        return value
    if not hasattr(value, "__len__"):
        return timed(value, budget, spending=True)
    budget.spend(len(value) // ITEMS_A_STEP + 1)
    return timed(value, budget) if each else value


def _original(name: str) -> str:
    """Under which name the filter of jinja2's is found, which no template can say."""
    return f"_jinja_{name}"


def _number(context: Context, value: Any, digits: int | None = None) -> str:
    return formats.number(value, context[LOCALE], digits)


def _money(context: Context, value: Any, currency: str) -> str:
    return formats.money(value, currency, context[LOCALE])


def _date(context: Context, value: Any, zone: str = "UTC") -> str:
    return formats.date(value, context[LOCALE], zone)


def _time(context: Context, value: Any, zone: str = "UTC") -> str:
    return formats.time(value, context[LOCALE], zone)


def _date_time(context: Context, value: Any, zone: str = "UTC") -> str:
    return formats.date_time(value, context[LOCALE], zone)


def _markdown_link(url: Any, label: Any = None) -> str:
    return markdown.link(plain(label) if label is not None else plain(url), plain(url))


def _plain_link(url: Any, label: Any = None) -> str:
    if not markdown.is_safe_url(plain(url)):
        raise ValueError(f"{url!r} is no address to link to")
    return f"{plain(label)}: {plain(url)}" if label is not None else plain(url)


def _html_link(url: Any, label: Any = None) -> Any:
    from markupsafe import Markup, escape  # noqa: PLC0415  comes with jinja2, as lazily

    if not markdown.is_safe_url(plain(url)):
        raise ValueError(f"{url!r} is no address to link to")
    inner = escape(markdown.clean(plain(label)) if label is not None else plain(url))
    return Markup('<a href="{}">{}</a>').format(plain(url), inner)


LINKS: Mapping[str, Callable[..., Any]] = {"markdown": _markdown_link, "plain": _plain_link, "html": _html_link}


def filters_for(target: str) -> dict[str, Callable[..., Any]]:
    """Every filter by its name, for a target: markdown, plain or html."""
    ours: dict[str, Callable[..., Any]] = {
        **{name: _of_string(FILTERS[name]) for name in OF_STRINGS},
        "join": pass_environment(join),
        "truncate": pass_environment(truncate),
        "replace": replace,
        "number": pass_context(_number),
        "money": pass_context(_money),
        "date": pass_context(_date),
        "time": pass_context(_time),
        "datetime": pass_context(_date_time),
        "link": LINKS[target],
        "round": pass_environment(rounded),
        BOUNDED: pass_context(bounded),
        BUILT: pass_context(built),
        KEPT: kept_small,
        JOINED: joined,
    }
    counted = {name: _counted(name) for name in (*OF_LISTS, *OF_EACH_ITEM)}
    originals = {_original(name): FILTERS[name] for name in (*counted, "round")}
    return {**{name: FILTERS[name] for name in KEPT_FROM_JINJA}, **counted, **originals, **ours}


def _of_string(jinja_filter: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *args, **options: jinja_filter(
        value if hasattr(value, "__html__") else plain(value), *args, **options
    )


def _kind(value: Any) -> str:
    return "A list" if isinstance(value, (list, tuple)) else "An object"
