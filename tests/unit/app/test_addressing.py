"""Who is meant by the `to` of a notification."""

from __future__ import annotations

import pytest

from ringback.bot.arrivals import arrive
from ringback.delivery.addressing import resolve
from ringback.delivery.request import To
from ringback.errors import NotFoundError
from ringback.settings import ACS_CHAT_CHANNELS
from tests.unit.app.conftest import inbound
from tests.unit.app.people import Entities

IDENTITY = "8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000001"


@pytest.mark.parametrize("channel", ACS_CHAT_CHANNELS)
async def test_a_chat_identity_names_no_channel(tables, channel):
    here = await arrive(inbound("hi", user=IDENTITY, channelId=channel), tables, Entities())
    assert await resolve(To(user_id=IDENTITY), tables) == (here.reference.user_key, None)


async def test_the_channels_of_chat_identities_are_a_setting(tables):
    here = await arrive(inbound("hi", user=IDENTITY, channelId="AcsChat2"), tables, Entities())
    with pytest.raises(NotFoundError, match="has not written to the bot"):
        await resolve(To(user_id=IDENTITY), tables)
    assert await resolve(To(user_id=IDENTITY), tables, ("AcsChat2",)) == (here.reference.user_key, None)


async def test_elsewhere_a_client_cannot_take_a_chat_identity(tables):
    await arrive(inbound("hi", user=IDENTITY), tables, Entities())
    with pytest.raises(NotFoundError):
        await resolve(To(user_id=IDENTITY), tables)
