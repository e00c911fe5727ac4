"""The `user` entity in the SDK's own handler, which is given batches and answers with state and results."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from azure.durable_functions.entity import Entity

import entities.user
from ringback.delivery.notification import GateAnswer
from ringback.delivery.person import MAX_REFERENCES, load
from ringback.settings import SAMPLE_SIGNING_KEY, settings
from tests.unit.app.people import NOW, heard, question, reference, writer


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("SIGNING_KEY", SAMPLE_SIGNING_KEY)
    monkeypatch.setenv("OPT_IN_CATEGORIES", "news")
    settings.cache_clear()
    yield
    settings.cache_clear()


class TaskHub:
    """Keeps an entity's state as text between batches."""

    def __init__(self, state: str | None = None) -> None:
        self.state = state
        [trigger] = [found for found in entities.user.bp._function_builders if found._function._name == "user"]
        self.handle = Entity.create(trigger._function.get_user_function().entity_function)

    def run(self, *operations: tuple[str, object]) -> list[dict]:
        batch = [
            {"name": name, "input": json.dumps(json.dumps(given)), "isSignal": False, "id": str(number)}
            for number, (name, given) in enumerate(operations)
        ]
        request = {"self": {"name": "user", "key": "k"}, "exists": self.state is not None, "state": self.state}
        answer = json.loads(self.handle(json.dumps({**request, "batch": batch})))
        if answer["entityExists"]:
            self.state = answer["entityState"]
        return answer["results"]

    def person(self):
        return load(json.loads(self.state))


def plain(value: object) -> object:
    return msgspec.to_builtins(value)


def answered(result: dict) -> GateAnswer:
    assert result["isError"] is False
    return msgspec.convert(json.loads(result["result"]), GateAnswer)


def test_a_batch_is_worked_off_in_order():
    hub = TaskHub()
    results = hub.run(
        ("remember", plain(heard())),
        ("gate", plain(question())),
        ("opt_out", {"category": "orders", "at": "2026-03-01T12:00:01Z"}),
        ("gate", plain(question())),
    )
    assert answered(results[1]).route[0].reference == reference().key
    assert answered(results[3]).reason == "opted-out: orders"
    assert answered(hub.run(("gate", plain(question())))[0]).reason == "opted-out: orders"


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("remember", {"reference": {"channel_id": 5}}),
        ("remember", None),
        ("remember", "x"),
        ("gate", {}),
        ("gate", {**plain(question()), "now": "yesterday"}),
        ("opt_out", {"at": "2026-03-01T12:00:00"}),
        ("opt_out", {"category": "/", "at": "2026-03-01T12:00:00Z"}),
        ("opt_in", []),
        ("prefer", {"quietHours": ["22:00-07:00"]}),
        ("prefer", {"quietHours": ["25-7"], "timeZone": "UTC"}),
        ("prefer", {"timeZone": "Mars/Base"}),
        ("prefer", {"rates": {"news": {"messages": 0, "perSeconds": 1}}}),
        ("prefer", {"locale": "?"}),
        ("prefer", {"nonsense": 1}),
        ("consent", {"channel": "sms", "at": "2026-03-01T12:00:00Z", "source": "rumour"}),
        ("register", {"addresses": {"a b": "k"}}),
        ("channel_said", {"reference": "r"}),
        ("erase", {}),
        ("unheard_of", {}),
        ("perform", {}),
    ],
)
def test_bad_input_damages_nothing(operation, given):
    hub = TaskHub()
    hub.run(("remember", plain(heard())))
    before = hub.state
    [bad, good] = hub.run((operation, given), ("gate", plain(question(priority="critical"))))
    assert bad["isError"] is True
    assert answered(good).decision == "send"
    after = hub.person()
    after.categories = []
    assert after == load(json.loads(before))


def test_bad_input_to_nobody_makes_nobody():
    hub = TaskHub()
    assert hub.run(("opt_out", {}))[0]["isError"] is True
    assert hub.state is None


def test_a_state_from_before_consent_was_kept_still_loads():
    known = reference()
    old = {"references": {known.key: plain(known)}, "bucket": {"tokens": 3.5, "at": "2026-03-01T12:00:00Z"}}
    hub = TaskHub(json.dumps(old))
    assert answered(hub.run(("gate", plain(question())))[0]).decision == "send"
    person = hub.person()
    assert person.version == 2
    assert person.consents["bot/*"].source == "wrote"
    assert TaskHub('{"references":{},"bucket":null}').run(("gate", plain(question())))[0]["isError"] is False


def test_a_signal_of_the_old_shape_is_still_understood():
    hub = TaskHub()
    hub.run(("remember", plain(reference())))
    assert answered(hub.run(("gate", plain(question())))[0]).decision == "send"


def test_a_late_signal_does_not_replace_a_newer_reference():
    hub = TaskHub()
    hub.run(
        ("remember", plain(heard(user_name="new"))),
        ("remember", plain(heard(seen=NOW - timedelta(seconds=1), user_name="old"))),
    )
    assert [kept.user_name for kept in hub.person().references.values()] == ["new"]


def test_only_the_latest_references_are_kept():
    hub = TaskHub()
    seen = [NOW + timedelta(seconds=number) for number in range(MAX_REFERENCES + 5)]
    hub.run(*(("remember", plain(heard(f"c{number}", at))) for number, at in enumerate(seen)))
    kept = {kept.conversation_id for kept in hub.person().references.values()}
    assert len(kept) == MAX_REFERENCES
    assert kept.isdisjoint({"c0", "c4"})


def test_the_settings_name_the_categories_that_need_a_word():
    hub = TaskHub()
    hub.run(("remember", plain(heard())))
    assert answered(hub.run(("gate", plain(question(category="news"))))[0]).reason == "no-consent: news by bot"
    results = hub.run(
        ("opt_in", {"category": "news", "at": "2026-03-01T12:00:01Z"}), ("gate", plain(question(category="news")))
    )
    assert answered(results[1]).decision == "send"


def test_the_state_survives_json_as_the_task_hub_keeps_it():
    state = writer()
    assert load(json.loads(json.dumps(plain(state)))) == state
