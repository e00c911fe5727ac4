"""The peer of `bench.deliver`: what one writes by hand with the SDKs as documented, without orchestrations.

`POST /notifications` stores the id and the message, answers 202 and sends in the background: claim the row, the bot
SDK's continue_conversation, write the outcome. There is no gate, no rate and no list of what is under way, and nothing
goes on with what a crash interrupts.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime, timezone
from typing import Any

from aiohttp import web
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient
from botbuilder.core import TurnContext
from botbuilder.schema import ChannelAccount, ConversationAccount, ConversationReference

from bench.sdk import SdkAdapter
from local.lifetime import end_with_parent

IDS, LEDGER = "peerids", "peerledger"
# As many as host.json gives the activities.
AT_ONCE = 16


class Peer:
    def __init__(self, service: TableServiceClient, channel: str) -> None:
        self._ids: TableClient = service.get_table_client(IDS)
        self._ledger: TableClient = service.get_table_client(LEDGER)
        self._channel = channel
        self._adapter = SdkAdapter()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._ids.create_table()
        await self._ledger.create_table()

    async def notify(self, request: web.Request) -> web.Response:
        body = await request.json()
        identity, conversation = body["id"], body["conversation"]
        try:
            await self._ids.create_entity({"PartitionKey": identity[-1], "RowKey": identity, "User": conversation})
        except ResourceExistsError:
            return web.json_response({"detail": "this id was used before"}, status=409)
        now = datetime.now(timezone.utc)
        row = {"PartitionKey": conversation, "RowKey": identity, "State": "pending", "CreatedAt": now}
        written = await self._ledger.create_entity({**row, "Text": body["text"]})
        task = asyncio.create_task(self._deliver(row, body["text"], written["etag"]))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return web.json_response({"id": identity, "status": "pending"}, status=202)

    async def _deliver(self, row: dict[str, Any], text: str, etag: str) -> None:
        async with self._gate:
            etag = await self._write({**row, "State": "sending", "Tries": 1}, etag)
            activity = await self._send(row["PartitionKey"], text)
            now = datetime.now(timezone.utc)
            latency = (now - row["CreatedAt"]).total_seconds()
            done = {"State": "delivered", "ActivityId": activity, "DeliveredAt": now, "LatencySeconds": latency}
            await self._write({**row, **done}, etag)

    async def _write(self, row: dict[str, Any], etag: str) -> str:
        condition = MatchConditions.IfNotModified
        written = await self._ledger.update_entity(row, mode=UpdateMode.MERGE, etag=etag, match_condition=condition)
        return str(written["etag"])

    async def _send(self, conversation: str, text: str) -> str:
        there = ConversationReference(
            user=ChannelAccount(id="user"),
            bot=ChannelAccount(id="bot", name="Ringback"),
            conversation=ConversationAccount(id=conversation),
            channel_id="directline",
            service_url=self._channel,
        )
        sent: list[str] = []

        async def say(context: TurnContext) -> None:
            response = await context.send_activity(text)
            sent.append(response.id)

        await self._adapter.continue_conversation(there, say, "")
        return sent[0]


async def serve(port: int, connection: str, channel: str) -> None:
    async with TableServiceClient.from_connection_string(connection) as service:
        peer = Peer(service, channel)
        await peer.start()
        application = web.Application()
        application.router.add_post("/notifications", peer.notify)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.deliver_peer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connection", required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--end-with-parent", action="store_true")
    options = parser.parse_args()
    if options.end_with_parent:
        end_with_parent()
    asyncio.run(serve(options.port, options.connection, options.channel))


if __name__ == "__main__":
    main()
