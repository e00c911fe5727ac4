import contextlib
from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.bot.inbound import LARGEST_BODY, Inbound, decode_body, parse_inbound
from ringback.errors import RequestError, TooLargeError

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def make_body(**changes):
    known = {
        "type": "message",
        "id": "c|0000001",
        "channelId": "directline",
        "serviceUrl": "http://127.0.0.1:3978",
        "conversation": {"id": "c"},
        "from": {"id": "dl_user", "name": "Ann"},
        "recipient": {"id": "bot", "name": "Ringback"},
        "text": "hello",
        "locale": "de-DE",
    }
    body = {**known, **changes}
    return {name: value for name, value in body.items() if value is not ...}


def test_a_message():
    inbound = parse_inbound(make_body(value={"a": 1}, channelData={"clientActivityID": "x"}, replyToId="r"), now=NOW)
    reference = inbound.reference
    assert (inbound.type, inbound.activity_id, inbound.text) == ("message", "c|0000001", "hello")
    assert (inbound.value, inbound.channel_data, inbound.reply_to_id) == ({"a": 1}, {"clientActivityID": "x"}, "r")
    assert (inbound.locale, inbound.is_from_bot) == ("de-DE", False)
    assert (reference.channel_id, reference.service_url) == ("directline", "http://127.0.0.1:3978")
    assert (reference.conversation_id, reference.user_id, reference.user_name) == ("c", "dl_user", "Ann")
    assert (reference.bot_id, reference.bot_name, reference.seen_at) == ("bot", "Ringback", NOW)


TEAMS = {
    "channelId": "msteams",
    "text": "<at>Ringback</at>\u00a0 status, <at>Ann</at>\n",
    "from": {"id": "29:u", "name": "Ann", "aadObjectId": "o"},
    "conversation": {
        "id": "19:x@thread.tacv2;messageid=1",
        "isGroup": True,
        "conversationType": "channel",
        "tenantId": "t",
    },
    "channelData": {"tenant": {"id": "t2"}},
    "entities": [
        {"type": "mention", "mentioned": {"id": "bot", "name": "Ringback"}, "text": "<at>Ringback</at>"},
        {"type": "mention", "mentioned": {"id": "29:u", "name": "Ann"}, "text": "<at>Ann</at>"},
        {"type": "clientInfo", "locale": "en-US"},
    ],
}


def test_a_teams_message_loses_the_mention_of_the_bot_only():
    inbound = parse_inbound(make_body(**TEAMS))
    assert inbound.text == "status, <at>Ann</at>"
    reference = inbound.reference
    assert (reference.tenant_id, reference.user_aad_id, reference.is_group) == ("t", "o", True)


def test_a_mention_without_an_entity_is_known_by_the_bots_name():
    assert parse_inbound(make_body(text='<at id="0">ringback</at> help')).text == "help"
    assert parse_inbound(make_body(text="<at>Ann</at> help")).text == "<at>Ann</at> help"


def test_the_tenant_may_be_in_channel_data_only():
    assert parse_inbound(make_body(**{**TEAMS, "conversation": {"id": "a"}})).reference.tenant_id == "t2"


def test_a_conversation_update():
    body = make_body(type="conversationUpdate", text=..., membersAdded=[{"id": "bot"}, {"id": "dl_user"}])
    inbound = parse_inbound(body)
    assert inbound.bot_was_added
    assert inbound.people_added == ("dl_user",)
    assert not parse_inbound(make_body()).bot_was_added


def test_an_event_and_an_installation():
    inbound = parse_inbound(make_body(type="event", name="LongOperationResponse", value={"token": "t"}))
    assert (inbound.name, inbound.value) == ("LongOperationResponse", {"token": "t"})
    assert parse_inbound(make_body(type="installationUpdate", action="add")).action == "add"


def test_attachments():
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": {"type": "AdaptiveCard"}}
    file = {"contentType": "text/csv", "contentUrl": "http://127.0.0.1:3978/f/1", "name": "a.csv", "thumbnailUrl": "x"}
    first, second = parse_inbound(make_body(attachments=[file, card])).attachments
    assert (first.content_type, first.content_url, first.name) == ("text/csv", "http://127.0.0.1:3978/f/1", "a.csv")
    assert second.content == {"type": "AdaptiveCard"}


@pytest.mark.parametrize("sender", [{"id": "x", "role": "bot"}, {"id": "bot"}])
def test_the_bots_own_words_are_known(sender):
    assert parse_inbound(make_body(**{"from": sender})).is_from_bot


def test_without_an_id_the_same_body_has_the_same_one():
    first, again = (parse_inbound(make_body(id=...)).activity_id for _ in range(2))
    assert first == again
    assert first != parse_inbound(make_body(id=..., text="other")).activity_id


def test_null_is_as_good_as_absent():
    body = make_body(text=None, attachments=None, entities=None, membersAdded=None, name=None, channelData=None)
    assert parse_inbound(body).text == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": ...}, "type"),
        ({"type": 5}, "type"),
        ({"channelId": ""}, "channelId"),
        ({"serviceUrl": ...}, "serviceUrl"),
        ({"serviceUrl": ["x"]}, "serviceUrl"),
        ({"conversation": ...}, "conversation.id"),
        ({"conversation": "c"}, "conversation"),
        ({"conversation": {"id": 5}}, "conversation.id"),
        ({"from": {"id": "  "}}, "from.id"),
        ({"from": []}, "from"),
        ({"recipient": "bot"}, "recipient"),
        ({"id": 7}, "id"),
        ({"text": {"a": 1}}, "text"),
        ({"name": 1}, "name"),
        ({"attachments": {}}, "attachments"),
        ({"attachments": ["x"]}, "attachments"),
        ({"attachments": [{"contentUrl": 5}]}, "contentUrl"),
        ({"membersAdded": "bot"}, "membersAdded"),
        ({"membersAdded": [{}]}, "id"),
        ({"entities": 5}, "entities"),
    ],
)
def test_a_wrong_shape_names_its_field(changes, field):
    with pytest.raises(RequestError) as raised:
        parse_inbound(make_body(**changes))
    assert raised.value.field == field
    assert field in str(raised.value)


@pytest.mark.parametrize("body", [None, [], "x", 5, True, [{}]])
def test_a_body_that_is_no_object(body):
    with pytest.raises(RequestError, match="JSON object"):
        parse_inbound(body)


def test_lone_surrogates_are_refused():
    with pytest.raises(RequestError):
        parse_inbound(make_body(text="\ud800"))


def nest(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_bottomless_nesting_is_refused():
    with pytest.raises(RequestError):
        parse_inbound(make_body(value=nest(100_000)))


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'"\xff"', b'{"a":' * 100_000, b"nul"])
def test_a_body_that_is_no_json(raw):
    with pytest.raises(RequestError):
        decode_body(raw)


def test_a_body_has_a_size():
    with pytest.raises(TooLargeError):
        decode_body(b" " * (LARGEST_BODY + 1))
    assert decode_body(b'{"a":1}') == {"a": 1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
near_misses = st.dictionaries(
    st.sampled_from(
        [
            *make_body(),
            "attachments",
            "entities",
            "membersAdded",
            "membersRemoved",
            "value",
            "channelData",
            "action",
            "name",
        ]
    ),
    json_values
    | st.fixed_dictionaries({"id": json_values})
    | st.lists(
        st.dictionaries(st.sampled_from(["type", "text", "mentioned", "id", "contentUrl"]), json_values), max_size=2
    ),
)


@given(json_values | near_misses | near_misses.map(lambda changes: make_body(**changes)))
def test_any_json_is_parsed_or_refused(body):
    try:
        inbound = parse_inbound(body)
    except RequestError:
        return
    assert msgspec.json.decode(msgspec.json.encode(inbound), type=Inbound).reference == inbound.reference
    assert len(inbound.reference.key) == len(inbound.reference.user_key) == 32


@given(st.binary(max_size=80))
def test_any_bytes_are_decoded_or_refused(raw):
    with contextlib.suppress(RequestError):
        decode_body(raw)
