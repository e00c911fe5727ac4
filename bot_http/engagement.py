"""Engagement: how often the buttons of delivered cards were pressed, over all deliveries."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from bot_http.problem import answer, answers_problems
from ringback.errors import RequestError
from ringback.tables.engagement import Count, EngagementTable
from ringback.tables.service import tables

bp = df.Blueprint()
USUAL, MOST = timedelta(days=29), timedelta(days=366)
FILTERS = ("category", "template", "action")


@bp.route(route="engagement", methods=["GET"])
@answers_problems
async def get_engagement(req: func.HttpRequest) -> func.HttpResponse:
    """?category=&template=&action=&from=&to=: presses on what was asked for on these days (UTC), both included."""
    first, last = _days(req.params.get("from"), req.params.get("to"))
    wanted = {name: req.params[name] for name in FILTERS if name in req.params}
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    async for count in EngagementTable(tables()).counts(first, last):
        if all(getattr(count, name) == value for name, value in wanted.items()):
            key = _key(count)
            sums[key][0] += count.presses
            sums[key][1] += count.deliveries
    body = {"from": first, "to": last, "engagement": [_line(key, *numbers) for key, numbers in sorted(sums.items())]}
    return answer(body)


def _key(count: Count) -> tuple[str, str, str]:
    return count.category, count.template, count.action


def _line(key: tuple[str, str, str], presses: int, deliveries: int) -> dict[str, Any]:
    category, template, action = key
    line = {"category": category, "template": template or None, "action": action}
    return {**line, "presses": presses, "deliveries": deliveries}


def _days(begin: str | None, end: str | None) -> tuple[date, date]:
    last = _day(end, "to") or datetime.now(timezone.utc).date()
    first = _day(begin, "from") or max(last, date.min + USUAL) - USUAL
    if first > last:
        raise RequestError("from is after to.", field="from")
    if last - first > MOST:
        raise RequestError(f"from and to are more than {MOST.days} days apart.", field="from")
    return first, last


def _day(text: str | None, field: str) -> date | None:
    if not text:
        return None
    try:
        # date.fromisoformat takes what only some versions of Python do, such as 2026-W10-1.
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc).date()
    except ValueError:
        raise RequestError(f"{field} must be a day, such as 2026-03-01.", field=field) from None
