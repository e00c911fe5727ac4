import asyncio
import logging
import subprocess
import sys

import pytest
from botbuilder.core import ActivityHandler, MessageFactory
from botbuilder.core import InvokeResponse as SdkInvokeResponse
from botbuilder.schema import Activity, AdaptiveCardInvokeResponse, Attachment
from hypothesis import HealthCheck, given, settings

from ringback.bot import turn as turn_module
from ringback.bot.adapter import InvokeResponse, RingbackAdapter, inbound_of, reply
from ringback.bot.turn import to_activity, to_payload
from ringback.channels.connector import ConnectorSender
from ringback.channels.tokens import Anonymous, token_source
from ringback.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    RequestError,
    RingbackError,
    UnsafeReferenceError,
)
from tests.unit.app.stand_ins import APP_ID, Connector, Metadata, TokenEndpoint, make_settings
from tests.unit.app.test_inbound import json_values, make_body, near_misses

LOCAL = make_settings(BOT_ALLOW_ANONYMOUS="true")
CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {"type": "AdaptiveCard", "body": [{"a": [1]}]},
}


def make_adapter(given_settings=LOCAL):
    return RingbackAdapter(given_settings, ConnectorSender(given_settings, Anonymous()))


async def no_turn(context):
    raise AssertionError("the turn must not run")


async def test_replies_of_a_turn_reach_the_channel():
    async def turn(context):
        inbound = inbound_of(context)
        buttons = [{"type": "imBack", "title": "status", "value": "status"}]
        ids.extend(
            await reply(
                context,
                {"type": "typing"},
                {"text": f"{inbound.text}, too", "suggestedActions": {"actions": buttons}},
                {"attachments": [CARD], "channelData": {"x": [1, None]}},
            )
        )
        await context.send_activity("plain")
        await context.send_activities([MessageFactory.text("from the SDK")])

    ids = []
    async with Connector() as channel:
        assert await make_adapter().process("", make_body(serviceUrl=channel.url), turn) is None
        assert [request.raw_path for request in channel.requests] == ["/v3/conversations/c/activities"] * 5
        typing, text, card, plain, sdk = channel.bodies
    assert ids == ["sent|0000001", "sent|0000002", "sent|0000003"]
    assert typing["type"] == "typing"
    assert (text["type"], text["text"]) == ("message", "hello, too")
    assert text["suggestedActions"]["actions"] == [{"type": "imBack", "title": "status", "value": "status"}]
    assert (text["from"]["id"], text["recipient"]["id"], text["conversation"]["id"]) == ("bot", "dl_user", "c")
    assert "replyToId" not in text
    assert card["attachments"] == [CARD]
    assert card["channelData"] == {"x": [1, None]}
    assert (plain["text"], sdk["text"]) == ("plain", "from the SDK")


async def test_teams_replies_are_threaded_updated_and_removed():
    async def turn(context):
        response = await context.send_activity("x")
        await context.update_activity(Activity(id=response.id, type="message", text="y"))
        await context.delete_activity(response.id)

    async with Connector() as channel:
        await make_adapter().process("", make_body(serviceUrl=channel.url, channelId="msteams", id="m1"), turn)
        assert [(request.method, request.raw_path) for request in channel.requests] == [
            ("POST", "/v3/conversations/c/activities/m1"),
            ("PUT", "/v3/conversations/c/activities/sent%7C0000001"),
            ("DELETE", "/v3/conversations/c/activities/sent%7C0000001"),
        ]


async def test_a_handler_of_the_sdk_runs_too():
    class Bot(ActivityHandler):
        async def on_message_activity(self, turn_context):
            await turn_context.send_activity(f"you said {turn_context.activity.text}")

        async def on_members_added_activity(self, members_added, turn_context):
            await turn_context.send_activity(f"welcome {members_added[0].id}")

    async with Connector() as channel:
        adapter, bot = make_adapter(), Bot()
        await adapter.process("", make_body(serviceUrl=channel.url), bot.on_turn)
        update = make_body(serviceUrl=channel.url, type="conversationUpdate", membersAdded=[{"id": "dl_user"}])
        await adapter.process("", update, bot.on_turn)
        assert [body["text"] for body in channel.bodies] == ["you said hello", "welcome dl_user"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 502, 504])
async def test_a_refused_reply_is_logged_and_changes_nothing(status, caplog):
    async with Connector() as channel:
        channel.then(status, {"error": {"code": "SomeCode", "message": "some words"}})
        with caplog.at_level(logging.WARNING):
            body = make_body(serviceUrl=channel.url)
            assert await make_adapter().process("", body, lambda context: context.send_activity("x")) is None
    assert f"status {status}, code SomeCode" in caplog.text
    assert "some words" in caplog.text
    assert "dl_user" not in caplog.text, "the log names nobody"


async def test_a_dead_channel_changes_nothing_either(caplog):
    async with Connector() as channel:
        channel.then_drop()
        body = make_body(serviceUrl=channel.url)
        ids = []

        async def turn(context):
            ids.extend(await reply(context, {"text": "x"}))

        assert await make_adapter().process("", body, turn) is None
    assert ids == [None]
    assert "NoAnswer" in caplog.text


async def test_a_short_trouble_of_the_channel_is_sat_out():
    async with Connector() as channel:
        channel.then(503, None, {"Retry-After": "0"}).then(201, {"id": "1"})
        ids = []

        async def turn(context):
            ids.extend(await reply(context, {"text": "x"}))

        await make_adapter().process("", make_body(serviceUrl=channel.url), turn)
        assert ids == ["1"]


async def test_a_long_wait_is_not_for_a_turn():
    async with Connector() as channel:
        channel.then(429, None, {"Retry-After": "60"})
        await asyncio.wait_for(
            make_adapter().process("", make_body(serviceUrl=channel.url), lambda context: context.send_activity("x")), 2
        )
        assert len(channel.requests) == 1


async def test_a_slow_channel_does_not_hold_the_turn(monkeypatch, caplog):
    monkeypatch.setattr(turn_module, "REPLY_SECONDS", 0.1)
    async with Connector() as channel:
        channel.then_hang(1.0)
        body = make_body(serviceUrl=channel.url)
        await make_adapter().process("", body, lambda context: context.send_activity("x"))
    assert "ambiguous" in caplog.text


async def test_expected_replies_come_back_in_the_answer():
    async def turn(context):
        await reply(context, {"text": "one"}, {"attachments": [CARD]})
        await context.send_activity("two")

    answer = await make_adapter().process("", make_body(deliveryMode="expectReplies"), turn)
    assert isinstance(answer, InvokeResponse)
    assert answer.status == 200
    assert [activity.get("text") for activity in answer.body["activities"]] == ["one", None, "two"]
    assert answer.body["activities"][1]["attachments"] == [CARD]


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        (SdkInvokeResponse(status=200, body={"a": 1}), 200, {"a": 1}),
        ({"status": 201, "body": {"a": [1]}}, 201, {"a": [1]}),
        (
            SdkInvokeResponse(status=200, body=AdaptiveCardInvokeResponse(status_code=200, type="t", value={"b": 1})),
            200,
            {"statusCode": 200, "type": "t", "value": {"b": 1}},
        ),
        (SdkInvokeResponse(status=200, body=[Attachment(name="n")]), 200, [{"name": "n"}]),
    ],
)
async def test_an_invoke_is_answered(value, status, body):
    async def turn(context):
        await context.send_activity(Activity(type="invokeResponse", value=value))

    answer = await make_adapter().process("", make_body(type="invoke", name="adaptiveCard/action"), turn)
    assert answer == InvokeResponse(status, body)


async def test_an_invoke_nobody_answers():
    async def turn(context):
        pass

    assert await make_adapter().process("", make_body(type="invoke"), turn) == InvokeResponse(501)


async def test_what_the_turn_raises_comes_through():
    async def turn(context):
        raise LookupError("of the bot")

    with pytest.raises(LookupError, match="of the bot"):
        await make_adapter().process("", make_body(), turn)


async def test_with_an_app_id_the_whole_way():
    async with Metadata() as metadata, TokenEndpoint() as tokens, Connector() as channel:
        environ = {
            "MicrosoftAppId": APP_ID,
            "MicrosoftAppPassword": "pw",
            "BOT_OPENID_METADATA_URL": metadata.metadata_url,
            "BOT_TOKEN_URL": tokens.url,
        }
        given_settings = make_settings(**environ)
        adapter = RingbackAdapter(given_settings, ConnectorSender(given_settings, token_source(given_settings.bot)))
        body = make_body(serviceUrl=channel.url)
        seen = []

        async def turn(context):
            seen.append(context.activity.caller_id)
            await context.send_activity("hi")

        await adapter.process(metadata.token(channel.url), body, turn)
        assert channel.requests[0].headers["Authorization"] == "Bearer token-1"
        assert seen == ["urn:botframework:azure"]
        for header in ("", None, "Bearer x"):
            with pytest.raises(AuthenticationError):
                await adapter.process(header, body, no_turn)
        with pytest.raises(AuthorizationError):
            await adapter.process(metadata.token("https://evil.example"), body, no_turn)
        with pytest.raises(RequestError, match=r"from\.id"):
            await adapter.process(metadata.token(channel.url), {**body, "from": {}}, no_turn)
        evil = {**body, "serviceUrl": "https://evil.example/"}
        with pytest.raises(UnsafeReferenceError, match="BOT_SERVICE_URL_HOSTS"):
            await adapter.process(metadata.token("https://evil.example/"), evil, no_turn)


async def test_without_an_app_id_and_without_leave_nothing_is_served():
    with pytest.raises(ConfigurationError):
        await make_adapter(make_settings()).process("", make_body(), no_turn)


@pytest.mark.parametrize("url", ["https://evil.example/", "http://10.0.0.1/", "http://localhost.evil.example/", "x"])
async def test_even_anonymously_only_channels_may_name_a_service_url(url):
    with pytest.raises(UnsafeReferenceError):
        await make_adapter().process("", make_body(serviceUrl=url), no_turn)


@pytest.mark.parametrize(
    "changes",
    [{"timestamp": "yesterday"}, {"timestamp": {}}, {"suggestedActions": 5}, {"expiration": []}, {"entities": [{}]}],
)
async def test_what_the_sdk_cannot_model_is_refused_or_ignored(changes):
    async def turn(context):
        pass

    try:
        assert await make_adapter().process("", make_body(**changes), turn) is None
    except RequestError as error:
        assert error.status == 400


sdk_fields = near_misses.map(
    lambda changes: {
        {
            "entities": "timestamp",
            "membersRemoved": "suggestedActions",
            "action": "relatesTo",
            "name": "reactionsAdded",
            "value": "expiration",
        }.get(name, name): value
        for name, value in changes.items()
    }
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    json_values
    | near_misses.map(lambda changes: make_body(**changes))
    | sdk_fields.map(lambda changes: make_body(**changes))
)
def test_any_json_runs_a_turn_or_is_refused_with_400(body):
    async def turn(context):
        context.turn_state["sender"] = None
        await context.send_activity("expected")

    adapter = RingbackAdapter(LOCAL, Silent())
    try:
        asyncio.run(adapter.process("", body, turn))
    except RingbackError as error:
        assert error.status == 400


class Silent:
    async def send(self, reference, payload):
        from ringback.channels.port import Outcome, SendResult

        return SendResult(outcome=Outcome.DELIVERED)


def test_an_activity_survives_the_sdks_model():
    body = make_body(attachments=[CARD], value={"a": {"b": [1, 2.5, None, "x"]}}, channelData={"c": True})
    kept = to_payload(to_activity(body))
    assert kept == {**body, "channelData": {"c": True}}


def test_importing_the_adapter_loads_nothing_heavy():
    heavy = ("openai", "azure.communication", "azure.monitor", "pydantic", "azure.identity")
    program = f"import sys, ringback.bot.adapter; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_light_modules_leave_the_sdk_alone():
    program = (
        "import sys, ringback.bot.inbound, ringback.channels.connector, ringback.delivery.policy;"
        "sys.exit(any(name.startswith(('botbuilder', 'botframework', 'msrest')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
