from local.channel.account import identity
from local.channel.faults import parse


def test_options_are_presets_with_changes():
    assert parse("429") == {"preset": "429"}
    text = "429-retry-after,rate=0.1,retryAfter=3,operations=send+update,conversation=abc,taken=true"
    assert parse(text) == {
        "preset": "429-retry-after",
        "rate": 0.1,
        "retryAfter": 3,
        "operations": ["send", "update"],
        "conversation": "abc",
        "taken": True,
    }
    # What looks like a number is text where text is meant.
    assert parse("403,code=209,user=29,conversation=7,message=true") == {
        "preset": "403",
        "code": "209",
        "user": "29",
        "conversation": "7",
        "message": "true",
    }


def test_the_same_message_is_what_a_person_would_see_as_the_same():
    one = {"type": "message", "text": "a", "id": "1", "timestamp": "t"}
    assert identity(one) == identity({**one, "id": "2", "timestamp": "u"})
    assert identity(one) != identity({**one, "text": "b"})
    assert identity({"channelData": {"deliveryId": "d"}, "text": "a"}) == identity({"channelData": {"deliveryId": "d"}})
