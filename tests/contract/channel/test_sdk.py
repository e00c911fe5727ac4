"""botframework-connector's own client against the connector: what any botbuilder bot sends and reads."""

import asyncio

import pytest
from botbuilder.schema import Activity, AttachmentData, ChannelAccount, ConversationParameters
from botframework.connector import ConnectorClient
from botframework.connector.auth import MicrosoftAppCredentials

from tests.local_channel import SECRET


@pytest.fixture
async def talk(program, bot):
    """A started conversation on the program, and the SDK's client for it, called in threads since it blocks."""

    async def started(channel_id="directline"):
        conversation, token, _ = await program.open(channelId=channel_id)
        bot.echoes = False
        await program.say(conversation, token, "hi")
        question = bot.of_type("message")[-1]
        client = ConnectorClient(MicrosoftAppCredentials("", ""), base_url=question["serviceUrl"])

        async def call(method, *arguments, **more):
            return await asyncio.to_thread(method, *arguments, **more)

        return question, client.conversations, client.attachments, call

    return started


def message(text):
    return Activity(type="message", text=text, from_property=ChannelAccount(id="bot"))


async def test_direct_line_with_the_sdk(program, talk):
    question, conversations, attachments, call = await talk()
    here = question["conversation"]["id"]
    sent = await call(conversations.send_to_conversation, here, message("one"))
    replied = await call(conversations.reply_to_activity, here, question["id"], message("two"))
    activities, _ = await program.activities(here, SECRET)
    assert [activity["id"] for activity in activities[-2:]] == [sent.id, replied.id]
    with pytest.raises(Exception, match="does not support") as refused:
        await call(conversations.update_activity, here, sent.id, message("three"))
    assert refused.value.response.status_code == 405
    members = await call(conversations.get_conversation_members, here)
    assert [member.id for member in members] == ["bot", "dl_ann"]
    page = await call(conversations.get_conversation_paged_members, here, 1)
    assert (len(page.members), bool(page.continuation_token)) == (1, True)
    data = AttachmentData(type="text/plain", name="a.txt", original_base64=bytearray(b"hello"))
    uploaded = await call(conversations.upload_attachment, here, data)
    info = await call(attachments.get_attachment_info, uploaded.id)
    assert (info.name, info.views[0].view_id) == ("a.txt", "original")
    view = await call(attachments.get_attachment, uploaded.id, "original")
    assert b"".join(view) == b"hello"
    await call(conversations.send_conversation_history, here, [message("old")])


async def test_teams_with_the_sdk(program, talk):
    question, conversations, _, call = await talk("msteams")
    here = question["conversation"]["id"]
    sent = await call(conversations.send_to_conversation, here, message("10 %"))
    updated = await call(conversations.update_activity, here, sent.id, message("20 %"))
    assert updated.id == sent.id
    await call(conversations.delete_activity, here, sent.id)
    (member,) = await call(conversations.get_conversation_members, here)
    assert member.aad_object_id
    parameters = ConversationParameters(
        bot=ChannelAccount(id="28:bot"),
        members=[ChannelAccount(id="29:new")],
        tenant_id="tenant",
        channel_data={"tenant": {"id": "tenant"}},
        activity=message("welcome"),
        is_group=False,
    )
    created = await call(conversations.create_conversation, parameters)
    assert created.id
    assert created.activity_id
    assert created.service_url == question["serviceUrl"]
    assert await program.texts(created.id, SECRET) == ["welcome"]
    listed = await call(conversations.get_conversations)
    assert created.id in [each.id for each in listed.conversations]
