"""Whether the app can do its work: for load balancers and people."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from bot_http.problem import answer, answers_problems
from ringback.settings import settings
from ringback.tables.service import OPERATIONS, tables

bp = df.Blueprint()


@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answers_problems
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the binding's
    """200 when the settings are right and the tables answer; 503 with the reason otherwise."""
    settings()
    await tables().get(OPERATIONS)
    return answer({"status": "healthy"})
