"""The `deliver` orchestrator, driven turn by turn without an engine."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from orchestrators.deliver import MAX_SLEEPS, Delivery
from ringback.delivery.notification import Notification

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
LATEST = datetime.max.replace(tzinfo=timezone.utc)
ROUTE = [{"channel": "bot", "reference": "c"}, {"channel": "sms", "reference": "p"}]
SEND = {"decision": "send", "route": ROUTE}


class Task:
    def __init__(self, kind: str, **given: Any) -> None:
        self.kind, self.given = kind, given
        self.is_completed, self.result, self.cancelled = False, None, False

    def cancel(self) -> None:
        self.cancelled = True


class Context:
    """Answers calls from lists; timers fire at once, `downtime` late, unless `cancel_at` or `wake_at` comes before."""

    def __init__(
        self,
        gate: list[Any],
        sends: list[Any],
        cancel_at: datetime | None = None,
        reason: str = "",
        wake_at: datetime | None = None,
        downtime: timedelta = timedelta(0),
    ) -> None:
        self.current_utc_datetime = START
        self.gate, self.sends, self.reason, self.downtime = gate, sends, reason, downtime
        self.questions: list[Any] = []
        self.events = {"cancel": cancel_at, "ask-again": wake_at}
        self.calls: list[tuple[str, Any]] = []
        self.signals: list[tuple[str, Any]] = []
        self.timers: list[Task] = []
        self.renewed: Any = None

    def call_entity(self, entity: Any, operation: str, given: Any) -> Task:
        self.questions.append(given)
        return Task("gate", given=given)

    def signal_entity(self, entity: Any, operation: str, given: Any) -> None:
        self.signals.append((operation, given))

    def call_activity_with_retry(self, name: str, options: Any, given: Any) -> Task:
        self.calls.append((name, given))
        return Task(name, given=given)

    def create_timer(self, due: datetime) -> Task:
        self.timers.append(Task("timer", due=due))
        return self.timers[-1]

    def wait_for_external_event(self, name: str) -> Task:
        return Task("event", name=name)

    def task_any(self, tasks: list[Task]) -> Task:
        return Task("any", tasks=tasks)

    def continue_as_new(self, given: Any) -> None:
        self.renewed = given

    def run(self, **fields: Any) -> Any:
        notification = Notification(id="d", user="u", category="orders", **fields)
        steps = Delivery(self, notification).run()
        answer: Any = None
        try:
            while True:
                task = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
                answer = self._answer(task)
        except StopIteration as end:
            return end.value

    def _answer(self, task: Task) -> Any:
        if task.kind == "gate":
            return self.gate.pop(0) if len(self.gate) > 1 else self.gate[0]
        if task.kind == "send_message":
            return self.sends.pop(0) if len(self.sends) > 1 else self.sends[0]
        if task.kind == "close_delivery":
            return {"state": task.given["given"]["state"], "reason": task.given["given"]["reason"]}
        if task.kind == "hold_delivery":
            return {"ended": None}
        *waits, timer = task.given["tasks"]
        due = {id(wait): self.events[wait.given["name"]] for wait in waits if self.events[wait.given["name"]]}
        won = min(
            task.given["tasks"], key=lambda one: due.get(id(one), LATEST if one is not timer else one.given["due"])
        )
        won.is_completed = True
        if won is not timer:
            won.result = {"reason": self.reason}
        passed = due.get(id(won), timer.given["due"] + self.downtime)
        self.current_utc_datetime = max(self.current_utc_datetime, passed)
        return won

    def named(self, name: str) -> list[Any]:
        return [given for called, given in self.calls if called == name]


def plain(at: datetime) -> str:
    return at.isoformat()


def test_what_one_way_refuses_goes_by_the_next_and_the_person_is_told():
    context = Context(
        [SEND],
        [
            {"outcome": "permanent", "code": "Blocked", "reaction": "until-user-writes"},
            {"outcome": "delivered", "activity_id": "a"},
        ],
    )
    assert context.run() == {"state": "delivered", "activityId": "a", "attempts": 2}
    assert [(order["stop"]["channel"], order["last"]) for order in context.named("send_message")] == [
        ("bot", False),
        ("sms", True),
    ]
    [(operation, said)] = context.signals
    assert (operation, said["reference"], said["reaction"]) == ("channel_said", "c", "until-user-writes")


def test_before_the_next_way_the_gate_is_asked_for_who_has_opted_out_meanwhile():
    refused = {"outcome": "permanent", "code": "Blocked"}
    context = Context([SEND, {"decision": "suppressed", "reason": "opted-out: orders"}], [refused])
    assert context.run() == {"state": "suppressed", "reason": "opted-out: orders", "attempts": 1}
    other_order = {**SEND, "route": [{"channel": "email", "reference": "m"}, *ROUTE]}
    context = Context([SEND, other_order], [refused, {"outcome": "delivered"}])
    assert context.run()["state"] == "delivered"
    assert [order["stop"]["channel"] for order in context.named("send_message")] == ["bot", "email"]


def test_what_the_channel_said_counts_from_when_the_try_began():
    began = (START - timedelta(seconds=20)).isoformat()
    refused = {"outcome": "permanent", "code": "Blocked", "reaction": "until-user-writes", "at": began}
    context = Context([SEND], [refused, {"outcome": "delivered"}])
    context.run()
    assert [said["at"] for _, said in context.signals] == [began]


def test_the_persons_locale_goes_with_the_order():
    context = Context([{**SEND, "locale": "de-AT"}], [{"outcome": "delivered"}])
    context.run()
    assert [order["locale"] for order in context.named("send_message")] == ["de-AT"]


def test_what_the_channel_said_before_is_a_failure_and_a_rule_of_ours_is_not():
    for reason, state in (("blocked: said by the channel", "failed"), ("opted-out: orders", "suppressed")):
        context = Context([{"decision": "suppressed", "reason": reason}], [])
        assert context.run() == {"state": state, "reason": reason, "attempts": 0}


def test_it_waits_until_the_gate_opens_and_asks_again():
    until = START + timedelta(days=12)
    context = Context(
        [{"decision": "wait", "until": plain(until), "reason": "quiet-hours: …"}, SEND], [{"outcome": "delivered"}]
    )
    assert context.run()["state"] == "delivered"
    assert [hold["until"] for hold in context.named("hold_delivery")] == ["2026-03-13T00:00:00Z"]
    # No timer is longer than five days.
    assert [timer.given["due"] for timer in context.timers] == [
        START + timedelta(days=5),
        START + timedelta(days=10),
        until,
    ]


def test_a_wait_beyond_the_expiry_ends_at_once():
    wait = {"decision": "wait", "until": plain(START + timedelta(hours=7)), "reason": "quiet-hours"}
    context = Context([wait], [])
    output = context.run(expires_at=START + timedelta(hours=6))
    assert (output["state"], output["reason"].partition(":")[0]) == ("suppressed", "expired")
    assert context.timers == []


def test_a_cancel_event_ends_a_wait_and_its_timer():
    for reason, state in (("opted-out: orders", "suppressed"), ("erased: …", "suppressed"), ("", "cancelled")):
        context = Context([SEND], [{"outcome": "delivered"}], cancel_at=START + timedelta(hours=1), reason=reason)
        assert context.run(not_before=START + timedelta(days=1))["state"] == state
        assert [timer.cancelled for timer in context.timers] == [True]
        assert context.named("send_message") == []


def test_a_wake_event_ends_a_wait_for_the_gate_and_the_gate_is_asked_anew():
    wait = {"decision": "wait", "until": plain(START + timedelta(hours=8)), "reason": "quiet-hours"}
    context = Context([wait], [], wake_at=START + timedelta(hours=1))
    assert context.run() is None
    assert context.current_utc_datetime == START + timedelta(hours=1)
    assert [timer.cancelled for timer in context.timers] == [True]
    # In a history without the event, which would answer every later wait as well.
    again = Context([SEND], [{"outcome": "delivered"}])
    assert again.run(progress=msgspec.convert(context.renewed, Notification).progress)["state"] == "delivered"


def test_a_wake_event_cuts_neither_a_channels_wait_nor_a_not_before_short():
    busy = {"outcome": "retry", "code": "TooManyRequests", "retry_after": 300.0}
    context = Context([SEND], [busy, {"outcome": "delivered"}], wake_at=START + timedelta(minutes=1))
    assert context.run(not_before=START + timedelta(days=1))["state"] == "delivered"
    assert context.current_utc_datetime == START + timedelta(days=1, minutes=5)


def test_after_a_long_pause_the_gate_is_asked_again_and_a_short_one_is_just_slept():
    context = Context(
        [SEND, {"decision": "suppressed", "reason": "opted-out: orders"}],
        [
            {"outcome": "retry", "code": "TooManyRequests", "retry_after": 2.0},
            {"outcome": "retry", "code": "TooManyRequests", "retry_after": 90.0},
        ],
    )
    assert context.run() == {"state": "suppressed", "reason": "opted-out: orders", "attempts": 2}


def test_after_a_host_that_was_down_the_gate_is_asked_again():
    expired = {"decision": "suppressed", "reason": "expired: …"}
    busy = {"outcome": "retry", "code": "TooManyRequests", "retry_after": 2.0}
    context = Context([SEND, expired], [busy, {"outcome": "delivered"}], downtime=timedelta(hours=3))
    assert context.run(expires_at=START + timedelta(hours=1))["state"] == "suppressed"
    assert len(context.named("send_message")) == 1


def test_many_short_pauses_are_a_long_one():
    opted_out = {"decision": "suppressed", "reason": "opted-out: orders"}
    context = Context([SEND, opted_out], [{"outcome": "retry", "code": "TooManyRequests", "retry_after": 25.0}])
    assert context.run() == {"state": "suppressed", "reason": "opted-out: orders", "attempts": 3}


def test_a_message_takes_of_a_persons_rate_once():
    wait = {"decision": "wait", "until": plain(START + timedelta(seconds=5)), "reason": "rate"}
    busy = {"outcome": "retry", "code": "ServiceUnavailable", "retry_after": 90.0}
    context = Context([wait, SEND], [busy, busy, {"outcome": "delivered"}])
    assert context.run()["state"] == "delivered"
    assert [question["counted"] for question in context.questions] == [False, False, True, True]
    # In a history that begins anew as well.
    context = Context([SEND], [{"outcome": "retry", "code": "Busy", "retry_after": 90.0}])
    context.run()
    again = Context([SEND], [{"outcome": "delivered"}])
    again.run(progress=msgspec.convert(context.renewed, Notification).progress)
    assert [question["counted"] for question in again.questions] == [True]


def test_an_order_that_lay_long_asks_the_gate_anew_once():
    until = START + timedelta(hours=8)
    wait = {"decision": "wait", "until": plain(until), "reason": "quiet-hours: …"}
    context = Context([SEND, wait, SEND], [{"outcome": "stale"}, {"outcome": "delivered"}])
    assert context.run() == {"state": "delivered", "activityId": None, "attempts": 1}
    assert [order["asked_at"] for order in context.named("send_message")] == ["2026-03-01T00:00:00Z", None]
    assert context.current_utc_datetime == until


def test_it_gives_up_by_priority():
    for priority, hours in (("normal", 24), ("high", 48), ("critical", 72)):
        context = Context([SEND], [{"outcome": "retry", "code": "ServiceUnavailable", "retry_after": 10_000.0}])
        output = context.run(priority=priority)
        assert (output["state"], output["reason"]) == ("failed", "gave-up: ServiceUnavailable")
        slept = context.current_utc_datetime - START
        assert timedelta(hours=hours) - timedelta(seconds=10_000) <= slept <= timedelta(hours=hours)


def test_trouble_of_our_own_and_a_full_channel_do_not_end_a_message():
    context = Context(
        [SEND],
        [
            Exception("the tables are down"),
            {"outcome": "throttled", "retry_after": 1.0},
            {"outcome": "delivered", "activity_id": "a"},
        ],
    )
    assert context.run()["attempts"] == 2


def test_a_long_history_begins_anew_with_what_it_knows():
    refused = {"outcome": "permanent", "code": "Blocked"}
    context = Context([SEND], [refused, {"outcome": "retry", "code": "Busy", "retry_after": 5.0}])
    assert context.run() is None
    assert len(context.timers) == MAX_SLEEPS
    renewed = msgspec.convert(context.renewed, Notification)
    assert renewed.progress.attempt == MAX_SLEEPS + 1
    assert renewed.progress.refused == ("c",)
    again = Context([SEND], [{"outcome": "delivered", "activity_id": "a"}])
    assert again.run(progress=renewed.progress)["attempts"] == MAX_SLEEPS + 2
    assert again.named("send_message")[0]["stop"]["channel"] == "sms"
    assert again.named("send_message")[0]["notification"]["progress"]["attempt"] == 0


def test_when_every_way_was_refused_it_fails_with_the_last_word():
    context = Context([SEND], [{"outcome": "permanent", "code": "Gone"}])
    assert context.run() == {"state": "failed", "reason": "Gone", "attempts": 2}
