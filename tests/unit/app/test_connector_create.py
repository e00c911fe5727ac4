"""Asking the connector for a conversation with somebody on Teams."""

import msgspec
import pytest

from ringback.channels.connector import ConnectorSender
from ringback.channels.port import Opener, Outcome, Reaction, SendResult
from ringback.channels.teams import TeamsUser
from ringback.channels.tokens import Anonymous
from tests.unit.app.stand_ins import APP_ID, Connector, make_settings
from tests.unit.app.test_connector import LOCAL, Tokens, sender

ANN = TeamsUser(tenant_id="t1", aad_object_id="o1", name="Ann")
R, P = Outcome.RETRY, Outcome.PERMANENT


def error(code, message="words"):
    return {"error": {"code": code, "message": message}}


async def test_it_is_asked_for_one_person_of_one_tenant():
    async with Connector() as channel:
        channel.then(201, {"id": "a:1/2", "serviceUrl": f"{channel.url}/emea/"})
        found = await sender().create(ANN, f"{channel.url}/teams/")
        [asked] = channel.requests
        assert (asked.method, asked.path) == ("POST", "/teams/v3/conversations")
        assert channel.bodies == [
            {
                "isGroup": False,
                "bot": {"id": "28:bot"},
                "members": [{"id": "o1", "name": "Ann"}],
                "tenantId": "t1",
                "channelData": {"tenant": {"id": "t1"}},
            }
        ]
        assert (found.channel_id, found.conversation_id, found.tenant_id) == ("msteams", "a:1/2", "t1")
        assert (found.user_id, found.user_aad_id, found.user_name, found.bot_id) == ("o1", "o1", "Ann", "28:bot")
        assert found.service_url == f"{channel.url}/emea/"
        assert not found.is_group


async def test_the_id_that_teams_gave_the_bot_comes_first_and_the_bot_is_its_app():
    config = make_settings(MicrosoftAppId=APP_ID, MicrosoftAppPassword="x", BOT_TOKEN_URL="http://127.0.0.1:1/token")
    async with Connector() as channel:
        known = msgspec.structs.replace(ANN, user_id="29:ann")
        found = await ConnectorSender(config, Tokens("t0")).create(known, channel.url)
        assert channel.bodies[0]["members"] == [{"id": "29:ann", "name": "Ann"}]
        assert channel.bodies[0]["bot"] == {"id": f"28:{APP_ID}"}
        assert channel.requests[0].headers["Authorization"] == "Bearer t0"
        assert (found.user_id, found.user_aad_id) == ("29:ann", "o1")


async def test_a_refused_token_is_renewed_once():
    async with Connector() as channel:
        channel.then(401).then(201, {"id": "a:1"})
        found = await ConnectorSender(LOCAL, Tokens("old", "new")).create(ANN, channel.url)
        assert found.conversation_id == "a:1"
        assert [asked.headers["Authorization"] for asked in channel.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("named", ["https://evil.example/", "", 7, None])
async def test_a_service_url_that_may_not_be_used_is_not_taken_over(named):
    async with Connector() as channel:
        channel.then(201, {"id": "a:1", "serviceUrl": named})
        assert (await sender().create(ANN, channel.url)).service_url == channel.url


@pytest.mark.parametrize("url", ["https://evil.example/teams", "http://smba.trafficmanager.net/teams", "nonsense"])
async def test_nothing_is_sent_to_a_host_that_is_not_allowed(url):
    tokens = Tokens("t0")
    result = await ConnectorSender(LOCAL, tokens).create(ANN, url)
    assert (result.outcome, result.code, result.reaction) == (P, "UnsafeServiceUrl", Reaction.OPERATOR)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reaction", "code"),
    [
        (200, b"<html>Sign in</html>", R, Reaction.NONE, "NotTheChannel"),
        (201, {}, R, Reaction.NONE, "NoConversationId"),
        (201, b"", R, Reaction.NONE, "NoConversationId"),
        (302, None, P, Reaction.OPERATOR, "Redirect"),
        (400, error("BadSyntax", "Incorrect conversation creation parameters"), P, Reaction.NONE, "BadSyntax"),
        (400, error("BadArgument", "Unknown tenant"), P, Reaction.NONE, "BadArgument"),
        (401, error("Unauthorized"), P, Reaction.OPERATOR, "Unauthorized"),
        (
            403,
            error("BadArgument", "Bot is not installed in user's personal scope"),
            P,
            Reaction.UNTIL_INSTALLED,
            "NotInstalled",
        ),
        (403, error("ForbiddenOperationException"), P, Reaction.UNTIL_INSTALLED, "NotInstalled"),
        (403, error("BotNotInConversationRoster"), P, Reaction.UNTIL_INSTALLED, "NotInstalled"),
        (403, error("ConversationBlockedByUser"), P, Reaction.UNTIL_USER_WRITES, "ConversationBlockedByUser"),
        (403, error("BotDisabledByAdmin"), P, Reaction.UNTIL_USER_WRITES, "BotDisabledByAdmin"),
        (403, error("InvalidBotApiHost"), P, Reaction.OPERATOR, "InvalidBotApiHost"),
        (403, error("SomethingElse"), P, Reaction.NONE, "SomethingElse"),
        (403, b"", P, Reaction.NONE, "HTTP 403"),
        (404, error("ConversationNotFound"), P, Reaction.CONFIRM_GONE, "ConversationNotFound"),
        (404, b"", P, Reaction.CONFIRM_GONE, "HTTP 404"),
        (405, error("BadArgument"), P, Reaction.NONE, "BadArgument"),
        (412, error("PreconditionFailed"), R, Reaction.NONE, "PreconditionFailed"),
        (429, error("TooManyRequests"), R, Reaction.NONE, "TooManyRequests"),
        (500, error("ServiceError"), R, Reaction.NONE, "ServiceError"),
        (501, b"", P, Reaction.NONE, "HTTP 501"),
        (502, b"<html>Bad Gateway</html>", R, Reaction.NONE, "HTTP 502"),
        (503, b"", R, Reaction.NONE, "HTTP 503"),
        (504, error("GatewayTimeout"), R, Reaction.NONE, "GatewayTimeout"),
    ],
)
async def test_what_the_channel_says_instead(status, body, outcome, reaction, code):
    async with Connector() as channel:
        channel.then(status, body)
        result = await sender().create(ANN, channel.url)
    assert isinstance(result, SendResult)
    assert (result.outcome, result.reaction, result.code, result.status) == (outcome, reaction, code, status)
    assert result.detail


async def test_a_throttled_bot_hears_when_to_come_again():
    async with Connector() as channel:
        channel.then(429, error("TooManyRequests"), {"Retry-After": "7"})
        assert (await sender().create(ANN, channel.url)).retry_after == 7.0


async def test_without_an_answer_it_is_asked_again_for_nothing_was_said():
    async with Connector() as channel:
        channel.then_drop()
        dropped = await sender().create(ANN, channel.url)
    refused = await sender().create(ANN, channel.url)
    assert (dropped.outcome, dropped.code) == (R, "NoAnswer")
    assert (refused.outcome, refused.code) == (R, "NotConnected")


def test_the_connector_opens_conversations():
    assert isinstance(ConnectorSender(LOCAL, Anonymous()), Opener)
