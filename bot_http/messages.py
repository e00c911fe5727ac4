"""The bot door: where the channel service posts what people write."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import azure.durable_functions as df
import azure.functions as func

from bot_http.people import DurableUserEntities
from bot_http.problem import answer, answers_problems
from ringback.bot.arrivals import arrive
from ringback.bot.buttons import ButtonDesk
from ringback.bot.dialogue import Dialogue
from ringback.bot.inbound import Inbound, decode_body
from ringback.bot.messages import Message
from ringback.bot.preferences import PreferencesDesk
from ringback.channels.registry import connector_sender
from ringback.operations.desk import OperationsDesk
from ringback.operations.engine import DurableClientEngine
from ringback.operations.progress import EDITABLE_CHANNELS, show_progress
from ringback.settings import settings
from ringback.tables.operations import OperationRow, OperationTable
from ringback.tables.references import ReferenceTable
from ringback.tables.service import tables

if TYPE_CHECKING:
    from ringback.bot.adapter import RingbackAdapter

bp = df.Blueprint()
log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def adapter() -> RingbackAdapter:
    """The adapter of this process; botbuilder is imported with the first message, not at cold start."""
    from ringback.bot.adapter import RingbackAdapter as Adapter  # noqa: PLC0415  150 ms

    return Adapter(settings(), connector_sender())


@bp.route(route="messages", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@bp.durable_client_input(client_name="client")
@answers_problems
async def messages(req: func.HttpRequest, client: Any) -> func.HttpResponse:
    """One activity: authenticate, remember where it came from, answer in the same turn."""
    from ringback.bot.adapter import inbound_of, reply  # noqa: PLC0415  150 ms

    async def on_turn(context: Any) -> None:
        inbound = await arrive(inbound_of(context), tables(), DurableUserEntities(client))
        for message in await respond(inbound, client):
            [sent] = await reply(context, message)
            await note_message(inbound, message, sent)

    invoked = await adapter().process(req.headers.get("Authorization") or "", decode_body(req.get_body()), on_turn)
    if invoked is None:
        return func.HttpResponse(status_code=200)
    return answer(invoked.body, invoked.status)


async def note_message(inbound: Inbound, message: Message, sent: str | None) -> None:
    """Keep the id of the message that shows an operation's progress, where the channel can change it later."""
    operation = message.get("channelData", {}).get("operationId")
    if operation and sent and inbound.reference.channel_id in EDITABLE_CHANNELS:
        await OperationTable(tables()).mark(operation, message_id=sent)


async def respond(inbound: Inbound, client: Any) -> list[Message]:
    """What to say in this turn."""
    engine = DurableClientEngine(client)
    desk = OperationsDesk(OperationTable(tables()), engine)

    async def show(row: OperationRow, content: Message) -> None:
        await show_progress(row, content, tables(), connector_sender())

    preferences = PreferencesDesk(tables(), engine, DurableUserEntities(client), settings())
    dialogue = Dialogue(desk, preferences, ButtonDesk(tables()), settings(), show)
    if inbound.type == "conversationUpdate":
        return [dialogue.greet()] if await _came_in(inbound) else []
    return await dialogue.respond(inbound)


async def _came_in(inbound: Inbound) -> bool:
    """Whether somebody is to be greeted: a channel says so twice where the bot and the person come one by one."""
    if not inbound.members_added:
        return False
    reference = inbound.reference
    return await ReferenceTable(tables()).first_greeting(reference.channel_id, reference.conversation_id)
