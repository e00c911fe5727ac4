"""Every preset is what its row of the channel's documented answers says: Ringback's own sender judges it so."""

import pytest

from local.channel.faults import PRESETS
from ringback.channels.connector import ConnectorSender
from ringback.channels.http import close_session
from ringback.channels.port import Outcome, Reaction, SendResult
from ringback.channels.teams import TeamsUser
from ringback.channels.tokens import Anonymous
from tests.unit.app.stand_ins import make_settings
from tests.unit.app.test_reference import make_reference

OF_THE_TURN = {"turn-twice", "turn-504"}
RETRY, PERMANENT, AMBIGUOUS, DELIVERED = Outcome.RETRY, Outcome.PERMANENT, Outcome.AMBIGUOUS, Outcome.DELIVERED
WRITES, INSTALLED = Reaction.UNTIL_USER_WRITES, Reaction.UNTIL_INSTALLED
JUDGED = {
    "429": (RETRY, Reaction.NONE),
    "429-retry-after": (RETRY, Reaction.NONE),
    "412": (RETRY, Reaction.NONE),
    "500": (RETRY, Reaction.NONE),
    "502-html": (RETRY, Reaction.NONE),
    "503": (RETRY, Reaction.NONE),
    "200-html": (AMBIGUOUS, Reaction.NONE),
    "504": (AMBIGUOUS, Reaction.NONE),
    "504-taken": (AMBIGUOUS, Reaction.NONE),
    "drop": (AMBIGUOUS, Reaction.NONE),
    "drop-taken": (AMBIGUOUS, Reaction.NONE),
    "slow": (DELIVERED, Reaction.NONE),
    "413": (PERMANENT, Reaction.NONE),
    "400": (PERMANENT, Reaction.OPERATOR),
    "401": (PERMANENT, Reaction.OPERATOR),
    "403": (PERMANENT, Reaction.NONE),
    "403-blocked-by-user": (PERMANENT, WRITES),
    "403-disabled-by-admin": (PERMANENT, WRITES),
    "403-writes-blocked": (PERMANENT, WRITES),
    "403-not-in-roster": (PERMANENT, INSTALLED),
    "403-not-installed": (PERMANENT, INSTALLED),
    "403-not-in-personal-scope": (PERMANENT, INSTALLED),
    "403-wrong-host": (PERMANENT, Reaction.OPERATOR),
    "403-decrypt": (PERMANENT, Reaction.NONE),
    "404-conversation": (PERMANENT, Reaction.CONFIRM_GONE),
    "404-activity": (PERMANENT, Reaction.NONE),
}


@pytest.fixture
async def sender():
    yield ConnectorSender(make_settings(BOT_ALLOW_ANONYMOUS="true"), Anonymous())
    await close_session()


def test_no_preset_is_left_out():
    assert set(JUDGED) | OF_THE_TURN == set(PRESETS)


@pytest.mark.parametrize("preset", JUDGED)
async def test_a_send_is_judged(channel, bot, question, sender, preset):
    quick = {"delay": 0.01} if preset == "slow" else {}
    await channel.fault_once(preset=preset, **quick)
    here = make_reference(
        channel_id="directline", service_url=channel.url, conversation_id=question["conversation"]["id"]
    )
    result = await sender.send(here, {"type": "message", "text": "x"})
    assert (result.outcome, result.reaction) == JUDGED[preset]
    assert result.retry_after == PRESETS[preset].get("retryAfter")
    assert (await sender.send(here, {"type": "message", "text": "y"})).outcome is DELIVERED


@pytest.mark.parametrize("preset", ["403-not-installed", "403-not-in-personal-scope", "403-not-in-roster"])
async def test_teams_ways_of_saying_not_installed_are_one(channel, bot, sender, preset):
    await channel.fault_once(preset=preset, operations=["create"])
    ann = TeamsUser(tenant_id="t", aad_object_id="11111111-2222-4333-8444-555555555555", name="Ann")
    refused = await sender.create(ann, f"{channel.url}/teams")
    assert isinstance(refused, SendResult)
    assert (refused.outcome, refused.reaction, refused.code) == (PERMANENT, INSTALLED, "NotInstalled")
    assert not isinstance(await sender.create(ann, f"{channel.url}/teams"), SendResult)
