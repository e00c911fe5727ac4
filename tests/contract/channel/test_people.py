"""Persons on Teams, by the bot's id for them and by their object id."""

import sqlite3

import jwt
import pytest

from local.channel.database import Database
from local.channel.people import aad_object_id
from local.channel.store import Member, Store
from tests.local_channel import SECRET

TENANT = "11111111-2222-4333-8444-555555555555"
GUID = "0f0e0d0c-1111-4222-8333-444455556666"


@pytest.fixture
async def ann(channel, bot):
    """Ann's first message on Teams, as the bot got it."""
    conversation, token, _ = await channel.open("29:ann", channelId="msteams")
    bot.echoes = False
    await channel.say(conversation, token, "hi", **{"from": {"id": "29:ann", "name": "Ann"}})
    return bot.of_type("message")[-1]


async def create(channel, member, **more):
    body = {"members": [member], "tenantId": TENANT, "activity": {"type": "message", "text": "by the way"}, **more}
    return await channel.call("POST", "/teams/v3/conversations", body, token=None)


async def test_a_person_known_by_id_is_found_by_object_id(channel, bot, ann):
    object_id = ann["from"]["aadObjectId"]
    for member in ({"id": object_id}, {"id": object_id.upper()}, {"aadObjectId": object_id}, {"id": "29:ann"}):
        made = await create(channel, member)
        assert (made.status, made.body["id"]) == (201, ann["conversation"]["id"])
    assert (await channel.texts(ann["conversation"]["id"], SECRET)).count("by the way") == 4
    _, members = await bot.call("GET", ann, "/members")
    assert [(each["id"], each["aadObjectId"], each["tenantId"]) for each in members] == [("29:ann", object_id, TENANT)]


async def test_another_tenant_is_another_person(channel, ann):
    made = await create(channel, {"id": ann["from"]["aadObjectId"]}, tenantId="elsewhere")
    assert made.body["id"] != ann["conversation"]["id"]


async def test_who_never_wrote_keeps_the_object_id_by_which_they_were_named(channel, bot):
    made = await create(channel, {"id": "29:new", "aadObjectId": GUID, "name": "New"})
    by_object_id = await create(channel, {"id": GUID})
    assert by_object_id.body["id"] == made.body["id"]
    _, members = await bot.call("GET", {"serviceUrl": channel.url + "/teams", "conversation": made.body}, "/members")
    (member,) = members
    assert (member["id"], member["aadObjectId"], member["name"], member["tenantId"]) == ("29:new", GUID, "New", TENANT)
    await channel.say(made.body["id"], SECRET, "hello", **{"from": {"id": "29:new"}})
    assert bot.of_type("message")[0]["from"]["aadObjectId"] == GUID
    assert bot.of_type("message")[0]["from"]["name"] == "New"


async def test_who_opens_the_page_finds_what_was_sent_to_their_object_id(channel, bot):
    made = await create(channel, {"id": aad_object_id("dl_ann")})
    wanted = {"user": "dl_ann", "channelId": "msteams"}
    for _ in range(2):
        granted = (await channel.call("POST", "/page/token", wanted, token=None)).body
        assert (granted["known"], granted["conversationId"]) == (True, made.body["id"])
        wanted["conversationId"] = granted["conversationId"]
    claims = jwt.decode(granted["token"], options={"verify_signature": False})
    await channel.say(made.body["id"], granted["token"], "hello")
    (message,) = bot.of_type("message")
    assert message["from"]["id"] == claims["user"]
    assert message["from"]["aadObjectId"] == aad_object_id("dl_ann")
    listed = await channel.call("GET", f"/teams/v3/conversations/{made.body['id']}/members", token=None)
    assert len(listed.body) == 1


async def test_a_person_without_any_id_is_400(channel):
    for member in ({"name": "x"}, {}):
        answer = await create(channel, member)
        assert (answer.status, answer.code) == (400, "MissingProperty")


def test_the_state_of_an_earlier_version_is_brought_up_to_date(tmp_path):
    old = sqlite3.connect(tmp_path / "channel.db")
    old.executescript(
        "CREATE TABLE conversations (id TEXT PRIMARY KEY, channel_id TEXT NOT NULL, user_id TEXT NOT NULL,"
        " user_name TEXT NOT NULL, locale TEXT NOT NULL, tenant_id TEXT NOT NULL,"
        " last_number INTEGER NOT NULL DEFAULT 0, last_position INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL);"
        "CREATE TABLE members (conversation TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,"
        " announced INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (conversation, id)) WITHOUT ROWID;"
        "INSERT INTO conversations VALUES ('c', 'msteams', '29:ann', 'Ann', '', 't', 1, 1, '');"
        "INSERT INTO members VALUES ('c', '29:ann', 'Ann', 'user', 1), ('c', '28:bot', 'Bot', 'bot', 1);"
    )
    old.close()
    for _ in range(2):
        database = Database(tmp_path)
        store = Store(database)
        ann = Member("29:ann", "Ann", "user", aad_object_id("29:ann"))
        assert store.person("t", "", aad_object_id("29:ann")) == ann
        assert store.members("c") == [Member("28:bot", "Bot", "bot"), ann]
        assert store.conversation("c").is_group is False
        database.close()
