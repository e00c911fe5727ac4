"""What the answering process has counted: for people as JSON, for a scraper as Prometheus' text."""

from __future__ import annotations

import os

import azure.durable_functions as df
import azure.functions as func

from bot_http.problem import answer, answers_problems
from ringback import metrics
from ringback.tables.references import cache_metrics

bp = df.Blueprint()
TEXT = "text/plain; version=0.0.4; charset=utf-8"
NOTE = "One process's own counts since it began: with several instances, add up what each tells."
# Every kind that a range of the Accept header may name for one of the two answers.
JSON_RANGES = ("application/json", "application/*", "*/*")
TEXT_RANGES = ("text/plain", "application/openmetrics-text", "text/*", "*/*")


@bp.route(route="metrics", methods=["GET"])
@answers_problems
async def metrics_of_process(req: func.HttpRequest) -> func.HttpResponse:
    """JSON, or text where Accept wants that more."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    cache = cache_metrics()
    if wants_text(req.headers.get("Accept") or ""):
        text = metrics.exposition(metrics.counts(), cache)
        return func.HttpResponse(text, headers={**headers, "Content-Type": TEXT})
    process = {"instance": metrics.INSTANCE, "pid": os.getpid(), "uptimeSeconds": round(metrics.uptime(), 3)}
    body = {"scope": "process", "note": NOTE, "process": process, "referenceCache": cache, **metrics.told()}
    return answer(body, headers=headers)


def wants_text(accept: str) -> bool:
    """Whether this Accept header prefers text to JSON; nothing said, or both alike, is JSON."""
    weights = _weights(accept)
    return _weight(weights, TEXT_RANGES) > _weight(weights, JSON_RANGES)


def _weight(weights: dict[str, float], ranges: tuple[str, ...]) -> float:
    """That of the most specific range which is named."""
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weights(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            weight = min(1.0, max(0.0, float(given)))
        except ValueError:
            weight = 0.0
        found[name] = max(weight, found.get(name, 0.0))
    return found
