import asyncio
import gc
import warnings

import pytest

from ringback.channels.connector import ConnectorSender
from ringback.channels.http import SESSIONS, close_session, session
from ringback.channels.port import Outcome, Reaction
from ringback.channels.tokens import Anonymous
from tests.unit.app.stand_ins import Connector, make_settings
from tests.unit.app.test_reference import make_reference

LOCAL = make_settings(BOT_ALLOW_ANONYMOUS="true")


class Tokens:
    """Hands out what it was given, and notes what was refused."""

    def __init__(self, *values):
        self.values = list(values)
        self.refused = []

    async def token(self):
        return self.values[0]

    async def renewed(self, refused):
        self.refused.append(refused)
        if len(self.values) > 1:
            self.values.pop(0)
        return self.values[0]


def sender(tokens=None):
    return ConnectorSender(LOCAL, tokens or Anonymous())


async def test_a_message_goes_to_the_conversation_with_its_addressing():
    async with Connector() as channel:
        reference = make_reference(
            service_url=f"{channel.url}/emea/",
            conversation_id="a:1/2|3;messageid=4",
            bot_name="Ringback",
            tenant_id="t",
            locale="de-DE",
            is_group=True,
        )
        result = await sender().send(reference, {"text": "Grüße 🎉", "serviceUrl": "https://evil.example"})
        assert (result.outcome, result.status, result.activity_id) == (Outcome.DELIVERED, 201, "sent|0000001")
        request, body = channel.requests[0], channel.bodies[0]
    assert request.method == "POST"
    assert request.raw_path == "/emea/v3/conversations/a%3A1%2F2%7C3%3Bmessageid%3D4/activities"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Authorization" not in request.headers
    assert body == {
        "type": "message",
        "text": "Grüße 🎉",
        "from": {"id": "28:bot", "name": "Ringback", "role": "bot"},
        "recipient": {"id": "29:user"},
        "channelId": "msteams",
        "serviceUrl": f"{channel.url}/emea/",
        "conversation": {"id": "a:1/2|3;messageid=4", "isGroup": True, "tenantId": "t"},
        "locale": "de-DE",
    }


@pytest.mark.parametrize(("channel_id", "threads"), [("msteams", True), ("directline", False), ("webchat", False)])
async def test_a_reply_is_threaded_where_the_channel_has_threads(channel_id, threads):
    async with Connector() as channel:
        reference = make_reference(service_url=channel.url, channel_id=channel_id, conversation_id="c")
        await sender().send(reference, {"text": "x", "replyToId": "c|0000001"})
        assert channel.requests[0].raw_path == "/v3/conversations/c/activities" + ("/c%7C0000001" if threads else "")
        assert ("replyToId" in channel.bodies[0]) is threads


async def test_update_and_delete():
    async with Connector() as channel:
        channel.then(200, {"id": "a|1"}).then(200)
        reference = make_reference(service_url=channel.url, conversation_id="c")
        updated = await sender().update(reference, "a|1", {"text": "new"})
        deleted = await sender().delete(reference, "a|1")
        assert (updated.outcome, updated.activity_id, deleted.outcome) == (Outcome.DELIVERED, "a|1", Outcome.DELIVERED)
        assert [(r.method, r.raw_path) for r in channel.requests] == [
            ("PUT", "/v3/conversations/c/activities/a%7C1"),
            ("DELETE", "/v3/conversations/c/activities/a%7C1"),
        ]
        assert channel.bodies[0]["id"] == "a|1"
        assert channel.bodies[1] == b""


async def test_direct_line_cannot_edit():
    async with Connector() as channel:
        channel.then(405, {"error": {"code": "BadArgument", "message": "This channel does not support this operation"}})
        result = await sender().update(
            make_reference(service_url=channel.url, channel_id="directline"), "a", {"text": "x"}
        )
        assert (result.outcome, result.status, result.code) == (Outcome.PERMANENT, 405, "BadArgument")


async def test_a_refusal_is_classified_with_its_wait():
    async with Connector() as channel:
        channel.then(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "7"})
        result = await sender().send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, result.retry_after, result.code) == (Outcome.RETRY, 7.0, "TooManyRequests")


async def test_redirects_are_not_followed():
    async with Connector() as channel:
        channel.then(307, None, {"Location": f"{channel.url}/elsewhere"})
        result = await sender(Tokens("secret")).send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, result.code, len(channel.requests)) == (Outcome.PERMANENT, "Redirect", 1)


async def test_cookies_are_not_kept():
    async with Connector() as channel:
        channel.then(200, {"id": "1"}, {"Set-Cookie": "a=b"})
        for _ in range(2):
            await sender().send(make_reference(service_url=channel.url), {"text": "x"})
        assert all("Cookie" not in request.headers for request in channel.requests)


async def test_an_unreachable_channel_is_tried_again():
    async with Connector() as gone:
        url = gone.url
    result = await sender().send(make_reference(service_url=url), {"text": "x"})
    assert (result.outcome, result.code) == (Outcome.RETRY, "NotConnected")
    await close_session()


async def test_a_drop_after_the_body_is_ambiguous():
    async with Connector() as channel:
        channel.then_drop()
        result = await sender().send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, result.code) == (Outcome.AMBIGUOUS, "NoAnswer")
        assert len(channel.requests) == 1


async def test_a_timeout_after_the_body_is_ambiguous():
    async with Connector() as channel:
        channel.then_hang(2.0)
        session()._timeout = session()._timeout.__class__(sock_read=0.05)
        result = await sender().send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, result.code) == (Outcome.AMBIGUOUS, "NoAnswer")


async def test_a_channel_that_never_accepts_is_tried_again():
    # A listening socket whose backlog is full takes no further connection.
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        session()._timeout = session()._timeout.__class__(total=5, connect=0.2, sock_connect=0.2)
        result = await sender().send(make_reference(service_url=f"http://127.0.0.1:{port}"), {"text": "x"})
        for filler in fillers:
            filler.close()
    await close_session()
    assert (result.outcome, result.code) == (Outcome.RETRY, "NotConnected")


async def test_a_broken_body_after_yes_is_still_yes():
    from aiohttp import web

    async def half(request):
        response = web.StreamResponse(status=201, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id"')
        request.transport.close()
        return response

    async with Connector() as channel:
        channel.answers.append(half)
        result = await sender().send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, result.activity_id) == (Outcome.DELIVERED, None)


async def test_an_unsafe_service_url_gets_nothing():
    tokens = Tokens("secret")
    result = await ConnectorSender(make_settings(MicrosoftAppId="x"), tokens).send(
        make_reference(service_url="http://127.0.0.1:1/"), {"text": "x"}
    )
    assert (result.outcome, result.code, result.reaction) == (Outcome.PERMANENT, "UnsafeServiceUrl", Reaction.OPERATOR)
    assert not SESSIONS._items


async def test_a_refused_token_is_renewed_once():
    async with Connector() as channel:
        channel.then(401).then(201, {"id": "1"})
        tokens = Tokens("old", "new")
        result = await sender(tokens).send(make_reference(service_url=channel.url), {"text": "x"})
        assert result.outcome is Outcome.DELIVERED
        assert tokens.refused == ["old"]
        assert [r.headers["Authorization"] for r in channel.requests] == ["Bearer old", "Bearer new"]


async def test_a_token_that_is_refused_again_is_the_operators():
    async with Connector() as channel:
        channel.then(401, {"error": {"code": "Unauthorized"}})
        result = await sender(Tokens("old", "new", "newer")).send(
            make_reference(service_url=channel.url), {"text": "x"}
        )
        assert (result.outcome, result.reaction, len(channel.requests)) == (Outcome.PERMANENT, Reaction.OPERATOR, 2)
        result = await sender(Tokens("only")).send(make_reference(service_url=channel.url), {"text": "x"})
        assert (result.outcome, len(channel.requests)) == (Outcome.PERMANENT, 3)


async def test_without_a_token_nothing_is_sent():
    from ringback.errors import ConfigurationError, RetryableError

    class Failing(Tokens):
        async def token(self):
            raise self.values[0]

    async with Connector() as channel:
        reference = make_reference(service_url=channel.url)
        result = await sender(Failing(ConfigurationError("set it"))).send(reference, {"text": "x"})
        assert (result.outcome, result.code, result.detail) == (Outcome.PERMANENT, "NoToken", "set it")
        result = await sender(Failing(RetryableError("later"))).send(reference, {"text": "x"})
        assert (result.outcome, result.code) == (Outcome.RETRY, "NoToken")
        assert not channel.requests


async def test_teams_messages_have_a_size():
    async with Connector() as channel:
        reference = make_reference(service_url=channel.url)
        fits = await sender().send(reference, {"text": "é" * 40_000})
        too_big = await sender().send(reference, {"text": "x" * 41_000})
        elsewhere = await sender().send(
            make_reference(service_url=channel.url, channel_id="directline"), {"text": "x" * 41_000}
        )
        assert (fits.outcome, too_big.outcome, elsewhere.outcome) == (
            Outcome.DELIVERED,
            Outcome.PERMANENT,
            Outcome.DELIVERED,
        )
        assert too_big.code == "MessageSizeTooBig"
        assert len(channel.requests) == 2


@pytest.mark.parametrize("value", [object(), "\ud800", {1: {object()}}])
async def test_what_is_no_json_is_permanent(value):
    result = await sender().send(make_reference(service_url="http://127.0.0.1:1"), {"value": value})
    assert (result.outcome, result.code) == (Outcome.PERMANENT, "NotJson")


async def test_connections_are_kept_alive():
    async with Connector() as channel:
        reference = make_reference(service_url=channel.url)
        for _ in range(3):
            await sender().send(reference, {"text": "x"})
        assert (
            len({request.transport.get_extra_info("peername") for request in channel.requests if request.transport})
            <= 1
        )


def test_each_event_loop_has_its_session():
    async def once(close):
        async with Connector() as channel:
            result = await sender().send(make_reference(service_url=channel.url), {"text": "x"})
            assert result.outcome is Outcome.DELIVERED
            kept = session()
            assert session() is kept
            if close:
                await kept.close()
                assert session() is not kept
                await close_session()
            else:
                # Leaving without closing, as a loop that is thrown away does.
                leftover.append(SESSIONS.take())
        if leftover:
            SESSIONS._items[asyncio.get_running_loop()] = leftover.pop()

    leftover = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(once(close=False))
        asyncio.run(once(close=False))
        assert len(SESSIONS._items) == 1
        asyncio.run(once(close=True))
        gc.collect()
    assert not SESSIONS._items
