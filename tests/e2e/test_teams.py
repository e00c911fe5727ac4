"""Notifications to people on Teams who never wrote to the bot: the conversation is opened first, and once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.directline import Chat, HttpError, request, text_of
from tests.e2e.notifying import SECRET, ended, soon, told, until
from tests.e2e.stack import Stack

CONSENT = [{"channel": "bot", "source": "import", "at": "2026-01-01T00:00:00Z"}]


class Colleague:
    """Somebody of a tenant of their own, known to other systems by their directory object alone."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.object_id, self.tenant = str(uuid.uuid4()), str(uuid.uuid4())
        self.address = {"aadObjectId": self.object_id, "tenantId": self.tenant}
        self.path = f"users/aad%3A{self.tenant}%3A{self.object_id}"

    def register(self, **fields: Any) -> dict[str, Any]:
        return self.stack.api("PUT", self.path, {"name": "Ann", "consents": CONSENT, **fields})

    def seen(self) -> dict[str, Any]:
        return self.stack.api("GET", self.path)

    def notify(self, text: str, **fields: Any) -> dict[str, Any]:
        asked = {"to": self.address, "category": "orders", "text": text, **fields}
        return self.stack.api("POST", "notifications", asked)

    def told(self, text: str, **fields: Any) -> dict[str, Any]:
        """What became of it."""
        return ended(self.stack, self.notify(text, **fields)["id"], seconds=60)

    @property
    def conversations(self) -> list[str]:
        """All that the channel has with this person."""
        found = request("GET", f"{self.stack.channel}/teams/v3/conversations")["conversations"]
        return [entry["id"] for entry in found if self.object_id in {member["id"] for member in entry["members"]}]

    @property
    def creations(self) -> int:
        """How often the bot asked the channel for a conversation with this person."""
        wire = request("GET", f"{self.stack.channel}/admin/wire")["entries"]
        asked = [entry for entry in wire if entry["title"] == "POST /teams/v3/conversations"]
        return sum(entry["body"]["members"][0]["id"] == self.object_id for entry in asked)

    def read(self, conversation: str) -> list[str]:
        """What the bot said there."""
        url = f"{self.stack.channel}/v3/directline/conversations/{conversation}/activities"
        activities = request("GET", url, headers=SECRET)["activities"]
        return [text_of(activity) for activity in activities if activity["from"]["id"] != self.object_id]

    def post(self, conversation: str, **activity: Any) -> None:
        url = f"{self.stack.channel}/v3/directline/conversations/{conversation}/activities"
        request("POST", url, {"type": "message", "from": {"id": self.object_id}, **activity}, SECRET)


@pytest.fixture
def ann(stack: Stack) -> Iterator[Colleague]:
    yield Colleague(stack)
    # A fault that was not used up would strike whoever comes next.
    request("DELETE", f"{stack.channel}/admin/faults")


def fault(stack: Stack, preset: str, **fields: Any) -> str:
    return request("POST", f"{stack.channel}/admin/faults", {"preset": preset, "operations": ["create"], **fields})[
        "id"
    ]


def test_who_never_wrote_is_written_to_and_stays_one_person_when_they_write(stack: Stack, ann: Colleague):
    made = ann.register()
    assert made["teams"] == {**ann.address, "userId": None, "serviceUrl": None, "region": None}
    view = ann.told("Order 7 has shipped.")
    assert (view["status"], view["channel"], view["tries"], view["ambiguousTries"]) == ("delivered", "bot", 1, 0)
    [conversation] = ann.conversations
    assert ann.read(conversation) == ["Order 7 has shipped."]
    assert ann.told("Order 8 has shipped.")["status"] == "delivered"
    assert (ann.conversations, ann.creations) == ([conversation], 1)

    ann.post(conversation, text="hello")
    until(lambda: bool(ann.seen()["conversations"]))
    known = ann.seen()
    assert (known["id"], known["consents"][0]["source"]) == (made["id"], "import")
    assert known["aliases"] == [f"aad:{ann.tenant}:{ann.object_id}", f"msteams:{ann.object_id}"]
    assert ann.told("Order 9 has shipped.")["status"] == "delivered"
    assert ann.read(conversation)[-1] == "Order 9 has shipped."
    assert (ann.conversations, ann.creations) == ([conversation], 1)


def test_what_was_sent_there_is_edited_and_recalled(stack: Stack, ann: Colleague):
    ann.register()
    sent = ann.told("as it was")
    [conversation] = ann.conversations
    stack.api("PATCH", f"notifications/{sent['id']}", {"text": "as it is"})
    assert ann.read(conversation)[-1] == "as it is"
    assert "recalledAt" in stack.api("DELETE", f"notifications/{sent['id']}")


def test_an_uninstalled_app_is_known_and_an_installed_one_too(stack: Stack, ann: Colleague):
    ann.register()
    assert ann.told("installed")["status"] == "delivered"
    [conversation] = ann.conversations
    # Nothing was heard of this person yet but that the app went away.
    ann.post(conversation, type="installationUpdate", action="remove")
    until(lambda: ann.seen()["reach"]["bot"] == "not-installed")
    view = ann.told("into the void")
    assert (view["status"], view["reason"], view["tries"]) == ("failed", "not-installed", 0)
    ann.post(conversation, type="installationUpdate", action="add")
    until(lambda: bool(ann.seen()["conversations"]))
    assert ann.told("here again")["status"] == "delivered"
    assert ann.read(conversation)[-1] == "here again"
    assert ann.creations == 1


@pytest.mark.parametrize("category", ["orders", "operations"])
def test_without_recorded_consent_nothing_is_opened(stack: Stack, ann: Colleague, category: str):
    ann.register(consents=[])
    view = ann.told("unasked", category=category)
    assert (view["status"], view["reason"], view["tries"]) == ("suppressed", "no-consent", 0)
    assert (ann.conversations, ann.creations) == ([], 0)


def test_a_client_that_claims_to_be_somebody_gets_nothing_of_theirs(stack: Stack, ann: Colleague):
    ann.register()
    eve = Chat(stack.channel, f"dl_eve{uuid.uuid4().hex}")
    claim = {"id": eve.user, "aadObjectId": ann.object_id}
    eve.post(text="hello", **{"from": claim}, channelData={"tenant": {"id": ann.tenant}})
    eve.wait_text("Hello")
    assert ann.told("for Ann alone")["status"] == "delivered"
    [conversation] = ann.conversations
    assert ann.read(conversation) == ["for Ann alone"]
    eve.ask("status", "running")
    assert told(eve, "for Ann alone") == 0
    assert ann.seen()["aliases"] == [f"aad:{ann.tenant}:{ann.object_id}"]


def test_who_is_not_registered_is_nobody(stack: Stack, ann: Colleague):
    ann.register()
    for address in ({**ann.address, "tenantId": "elsewhere"}, {**ann.address, "aadObjectId": "somebody"}):
        with pytest.raises(HttpError) as caught:
            stack.api("POST", "notifications", {"to": address, "category": "orders", "text": "x"})
        assert (caught.value.status, '"field":"to.aadObjectId"' in caught.value.body) == (404, True)


@pytest.mark.parametrize("words", ["403-not-installed", "403-not-in-personal-scope"])
def test_without_the_app_it_goes_by_the_next_channel(stack: Stack, ann: Colleague, words: str):
    consents = [*CONSENT, {"channel": "sms", "source": "import", "at": soon(-60)}]
    ann.register(phone="+12015550123", consents=consents)
    rule = fault(stack, words)
    view = ann.told("either way")
    assert (view["status"], view["channel"]) == ("delivered", "sms")
    assert [attempt["code"] for attempt in view["attempts"]] == ["NotInstalled", None]
    until(lambda: ann.seen()["reach"] == {"bot": "not-installed", "sms": "open"})
    # What is known is not asked again, until somebody says that it is otherwise.
    asked = ann.creations
    view = ann.told("by the phone at once")
    assert (view["channel"], [attempt["channel"] for attempt in view["attempts"]]) == ("sms", ["sms"])
    assert ann.creations == asked
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    ann.register(teams={})
    until(lambda: ann.seen()["reach"]["bot"] == "open")
    assert ann.told("by Teams now")["channel"] == "bot"


def test_what_the_channel_refuses_for_good_is_a_dead_letter_that_can_be_sent_again(stack: Stack, ann: Colleague):
    ann.register()
    rule = fault(stack, "403-not-installed")
    view = ann.told("patience")
    assert (view["status"], view["reason"]) == ("failed", "NotInstalled")
    until(lambda: ann.seen()["reach"]["bot"] == "not-installed")
    request("DELETE", f"{stack.channel}/admin/faults/{rule}")
    ann.register(**ann.address, teams={"serviceUrl": f"{stack.channel}/teams"})
    until(lambda: ann.seen()["reach"]["bot"] == "open")
    stack.api("POST", f"dead-letters/{view['id']}/redrive")
    assert ended(stack, view["id"], seconds=60)["status"] == "delivered"
    with pytest.raises(HttpError) as caught:
        ann.register(teams={"serviceUrl": "https://example.org/teams"})
    assert (caught.value.status, '"field":"teams.serviceUrl"' in caught.value.body) == (400, True)


@pytest.mark.parametrize(
    ("preset", "code", "reach"),
    [
        ("400", "BadArgument", "open"),
        ("401", "Unauthorized", "open"),
        ("403", "Forbidden", "open"),
        ("403-blocked-by-user", "ConversationBlockedByUser", "blocked"),
        ("403-wrong-host", "InvalidBotApiHost", "open"),
        ("404-conversation", "ConversationNotFound", "open"),
    ],
)
def test_what_cannot_be_opened_fails_with_the_channels_word(
    stack: Stack, ann: Colleague, preset: str, code: str, reach: str
):
    ann.register()
    fault(stack, preset, times=1)
    view = ann.told("a letter")
    assert (view["status"], view["reason"], view["tries"]) == ("failed", code, 1)
    until(lambda: ann.seen()["reach"]["bot"] == reach)
    assert ann.conversations == []


def test_who_is_in_no_tenant_is_gone_when_it_is_said_twice(stack: Stack, ann: Colleague):
    ann.register()
    fault(stack, "404-conversation", times=2)
    for _ in range(2):
        assert ann.told("anybody?")["reason"] == "ConversationNotFound"
    until(lambda: ann.seen()["reach"]["bot"] == "gone")
    assert ann.told("nobody")["reason"] == "gone"
    ann.register(teams={})
    until(lambda: ann.seen()["reach"]["bot"] == "open")
    assert ann.told("somebody after all")["status"] == "delivered"


def test_a_busy_channel_is_asked_again_and_nothing_is_ambiguous(stack: Stack, ann: Colleague):
    ann.register()
    fault(stack, "429-retry-after", retryAfter=1, times=1)
    fault(stack, "drop-taken", times=1)
    view = ann.told("at last", onAmbiguous="hold")
    assert (view["status"], view["ambiguousTries"]) == ("delivered", 0)
    assert [attempt["code"] for attempt in view["attempts"]] == ["TooManyRequests", "NoAnswer", None]
    [conversation] = ann.conversations
    assert ann.read(conversation) == ["at last"]


def test_two_at_once_share_one_conversation(stack: Stack, ann: Colleague):
    ann.register()
    fault(stack, "slow", delay=1.0, times=2)
    with ThreadPoolExecutor(2) as pool:
        views = list(pool.map(ann.told, ["one", "two"]))
    assert [view["status"] for view in views] == ["delivered", "delivered"]
    [conversation] = ann.conversations
    assert sorted(ann.read(conversation)) == ["one", "two"]


def test_a_host_that_dies_while_the_channel_opens_loses_nothing(own_stack: Stack):
    own_stack.start()
    ann = Colleague(own_stack)
    ann.register()
    fault(own_stack, "slow", delay=600.0, taken=True, times=1)
    sent = ann.notify("through thick and thin", onAmbiguous="hold")
    until(lambda: bool(ann.conversations))
    own_stack.kill()
    own_stack.start()
    view = ended(own_stack, sent["id"], seconds=120)
    assert (view["status"], view["ambiguousTries"], view["tries"]) == ("delivered", 0, 1)
    [conversation] = ann.conversations
    assert ann.read(conversation) == ["through thick and thin"]


def test_a_host_that_dies_between_the_conversation_and_the_message_loses_nothing(own_stack: Stack):
    own_stack.start()
    ann = Colleague(own_stack)
    ann.register()
    fault(own_stack, "slow", delay=600.0, times=1, operations=["send"])
    sent = ann.notify("after all")
    until(lambda: own_stack.api("GET", f"notifications/{sent['id']}")["status"] == "sending")
    own_stack.kill()
    own_stack.start()
    view = ended(own_stack, sent["id"], seconds=120)
    assert (view["status"], view["tries"]) == ("delivered", 2)
    [conversation] = ann.conversations
    assert ann.read(conversation) == ["after all"]
    assert ann.creations == 0, "the wire log begins anew with the channel: the conversation was not asked for again"
