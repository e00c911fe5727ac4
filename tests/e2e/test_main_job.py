"""The main job, over Direct Line alone: ask, be answered at once, look, cancel, be rung back."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest

from tests.e2e.directline import Chat, HttpError, buttons_of, card_of, operation_of, request, text_of
from tests.e2e.sample_data import SampleCsv
from tests.e2e.stack import MANAGEMENT, Stack


def test_a_newcomer_is_greeted_with_the_catalogue(chat: Chat):
    greeting = chat.wait(lambda activity: "attachments" in activity)
    assert {"Analyze file", "External job", "Approval demo"} <= set(buttons_of(greeting))
    assert "AdaptiveCard" in card_of(greeting)
    time.sleep(0.5)
    chat.poll()
    assert len(chat.seen) == 1


def test_the_whole_script(stack: Stack, chat: Chat):
    data = SampleCsv(50_000)
    chat.wait_text("Hello")
    before = time.monotonic()
    chat.upload("sales.csv", data.content)
    started = chat.wait_text("One moment please")
    assert time.monotonic() - before < 8  # a loose bound: `bench` measures, this only notices a blocked door
    result = chat.wait_text("is done", seconds=60)
    text = text_of(result)
    for figure in (str(data.rows), data.mean, data.id_mean, f"{data.top_region} ({data.top_count})"):
        assert figure in text, figure
        assert figure in card_of(result), figure
    assert f"missing {data.missing_regions}" in text
    assert "Analyze file" in buttons_of(result)
    for activity in chat.seen:
        if activity is not result:
            assert data.mean not in text_of(activity)
            assert str(data.rows) not in text_of(activity)
    status = stack.wait_ended(operation_of(started))
    assert (status["runtimeStatus"], status["customStatus"]["state"]) == ("Completed", "succeeded")
    assert status["output"]["state"] == "succeeded"
    assert set(status["customStatus"]) == {"operation", "state", "percent", "step", "text"}

    job = operation_of(chat.ask("external-job", "One moment please"))
    token = wait_external(stack, job)["token"]
    event = {"type": "event", "name": "LongOperationResponse"}
    chat.post(**event, value={"token": token, "progress": 40})
    wait_percent(stack, job, 40)
    assert "40 %" in text_of(chat.ask("how is it going?", "xternal job", "40"))
    chat.ask("cancel", "Cancelling")
    chat.wait_text("External job", "was cancelled")
    ended = stack.wait_ended(job)
    assert ended["runtimeStatus"] == "Completed"
    assert ended["output"] == {"state": "cancelled"}
    assert ended["customStatus"]["state"] == "cancelled"


def test_an_external_job_is_finished_by_an_event_activity(stack: Stack, chat: Chat):
    job = operation_of(chat.ask("external-job do the thing", "One moment please"))
    external = wait_external(stack, job)
    assert external["input"] == {"text": "do the thing"}
    other = Chat(stack.channel, "dl_other_system")
    event = {"type": "event", "name": "LongOperationResponse"}
    other.post(**event, value={"token": external["token"][:-2] + "xx", "result": "forged"})
    other.wait_text("not issued by this bot")
    assert stack.api("GET", f"operations/{job}")["state"] == "waiting"
    other.post(**event, value={"token": external["token"], "result": {"answer": 42}})
    chat.wait_text("External job", "is done", "42")
    assert stack.wait_ended(job)["output"]["result"]["data"] == {"answer": 42}


def test_an_external_job_is_finished_by_a_raised_event(stack: Stack, chat: Chat):
    job = operation_of(chat.ask("external-job", "One moment please"))
    name = wait_external(stack, job)["eventName"]
    url = f"{stack.host}{MANAGEMENT}/instances/{job}/raiseEvent/{name}"
    for percent in (20, 60):
        request("POST", url, {"progress": percent})
        wait_percent(stack, job, percent)
    request("POST", url, {"error": "the printer is on fire"})
    failure = chat.wait_text("failed", "the printer is on fire")
    assert "Try again" in buttons_of(failure)
    assert stack.wait_ended(job)["runtimeStatus"] == "Failed"
    again = operation_of(chat.ask(buttons_of(failure)["Try again"], "One moment please"))
    name = wait_external(stack, again)["eventName"]
    request("POST", f"{stack.host}{MANAGEMENT}/instances/{again}/raiseEvent/{name}", {"result": "fine"})
    chat.wait_text("is done", "fine")


@pytest.mark.parametrize(("button", "outcome"), [("Approve", "approved"), ("Reject", "rejected")])
def test_approval_by_button(stack: Stack, chat: Chat, button: str, outcome: str):
    operation = operation_of(chat.ask("approval-demo", "One moment please"))
    question = chat.wait_text("asks:")
    assert "Action.Submit" in card_of(question)
    chat.say(buttons_of(question)[button])
    chat.wait_text("is done", outcome.title())
    assert stack.wait_ended(operation)["output"]["result"]["data"]["decision"] == outcome


def test_an_approval_times_out_by_itself(stack: Stack):
    body = {"operation": "approval-demo", "input": {"timeoutSeconds": 0.3}}
    operation = stack.api("POST", "operations", body)["id"]
    assert stack.wait_ended(operation)["output"]["result"]["data"]["decision"] == "timed_out"


def test_two_operations_of_one_person_at_once(stack: Stack, chat: Chat):
    first = operation_of(chat.ask("external-job", "One moment please"))
    chat.ask("approval-demo", "One moment please")
    chat.wait_text("asks:")
    both = chat.ask("status", "External job", "Approval demo")
    cancel = next(value for title, value in buttons_of(both).items() if "External job" in title)
    chat.ask(cancel, "Cancelling")
    chat.wait_text("External job", "was cancelled")
    assert stack.wait_ended(first)["output"] == {"state": "cancelled"}
    chat.ask("approve", "Noted")
    chat.wait_text("Approval demo", "is done")
    chat.ask("status", "Nothing is running")


@pytest.mark.parametrize("verb", ["terminate", "purge"])
def test_an_instance_ended_from_outside_is_closed_and_the_user_told(stack: Stack, chat: Chat, verb: str):
    job = operation_of(chat.ask("external-job", "One moment please"))
    wait_external(stack, job)
    instance = f"{stack.host}{MANAGEMENT}/instances/{job}"
    request("POST", f"{instance}/terminate?reason=test", b"")
    stack.wait_ended(job)
    if verb == "purge":
        request("DELETE", instance)
    chat.ask("status", "Nothing is running")
    chat.wait_text("External job", "has ended without a result")


def test_a_bad_file_is_told_to_the_user(chat: Chat):
    chat.upload("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(2000), "text/csv")
    failure = chat.wait_text("Analyze file", "failed")
    assert "Try again" in buttons_of(failure)


def test_operations_without_a_chat(stack: Stack, chat: Chat):
    names = {entry["name"] for entry in stack.api("GET", "operations")["operations"]}
    assert names >= {"analyze-file", "external-job", "approval-demo"}
    started = stack.api("POST", "operations", {"operation": "external-job", "input": {}})
    assert {"id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri"} <= set(started)
    assert request("GET", started["statusQueryGetUri"])["instanceId"] == started["id"]
    external = wait_external(stack, started["id"])
    assert external["operationId"] == started["id"]
    assert stack.api("DELETE", f"operations/{started['id']}")["state"] in {"cancelling", "cancelled"}
    assert stack.wait_ended(started["id"])["output"] == {"state": "cancelled"}
    assert stack.api("GET", f"operations/{started['id']}")["state"] == "cancelled"
    chat.ask("hello", "Hello")
    mine = stack.api("POST", "operations", {"operation": "external-job", "user": f"directline:{chat.user}"})
    name = wait_external(stack, mine["id"])["eventName"]
    request("POST", mine["sendEventPostUri"].replace("{eventName}", name), {"result": "for you"})
    chat.wait_text("is done", "for you")


def test_who_never_wrote_is_answered_by_the_way_they_consented_to(stack: Stack):
    name, address = f"external:crm-{time.time_ns()}", f"ann{time.time_ns()}@example.org"
    stack.api("PUT", f"users/{quote(name, safe='')}", {"email": address, "consents": [{"channel": "email"}]})
    started = stack.api("POST", "operations", {"operation": "external-job", "user": name})
    event = wait_external(stack, started["id"])["eventName"]
    request("POST", started["sendEventPostUri"].replace("{eventName}", event), {"result": "for you"})
    assert stack.wait_ended(started["id"])["runtimeStatus"] == "Completed"
    stack.wait_ended(f"{started['id']}-result", seconds=90)
    found = stack.api("GET", f"notifications/{started['id']}-result")
    assert (found["status"], found["channel"]) == ("delivered", "email")
    assert address in json.dumps(request("GET", f"{stack.outbox}/outbox"))


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "operation"),
        (b"[]", 400, "operation"),
        ({}, 400, "operation"),
        ({"operation": "nope"}, 404, "external-job"),
        ({"operation": "external-job", "input": 5}, 400, "input"),
        ({"operation": "analyze-file"}, 400, "input.url"),
        ({"operation": "external-job", "user": "directline:nobody"}, 404, "user"),
        ({"operation": "external-job", "input": {"x": "y" * 40_000}}, 413, "input"),
    ],
)
def test_bad_requests_name_the_field(stack: Stack, body: object, status: int, words: str):
    with pytest.raises(HttpError) as caught:
        stack.api("POST", "operations", body)
    assert caught.value.status == status
    assert words in caught.value.body


def test_an_idempotency_key_starts_one_operation(stack: Stack):
    body = {"operation": "external-job"}
    ids = {stack.api("POST", "operations", body, **{"Idempotency-Key": "k1"})["id"] for _ in range(3)}
    assert len(ids) == 1
    stack.api("DELETE", f"operations/{ids.pop()}")


def test_the_signed_page_shows_one_operation(stack: Stack, chat: Chat):
    text = text_of(chat.ask("external-job", "One moment please"))
    link = text[text.index("(http") + 1 :].rstrip(")")
    token = link.rsplit("/", 1)[1]
    shown = stack.api("GET", f"o/{token}/state")
    assert shown["title"] == "External job"
    with pytest.raises(HttpError) as caught:
        stack.api("GET", f"o/{token[:-2]}AA/state")
    assert caught.value.status == 403
    chat.ask("cancel", "Cancelling")
    chat.wait_text("was cancelled")
    assert stack.api("GET", f"o/{token}/state")["state"] == "cancelled"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"type":"message"}', b'{"type":5}', b"\xff\xfe"])
def test_a_malformed_activity_gets_400(stack: Stack, body: bytes):
    with pytest.raises(HttpError) as caught:
        stack.api("POST", "messages", body)
    assert caught.value.status == 400


def test_a_bearer_that_nobody_signed_gets_401(stack: Stack):
    activity = {
        "type": "message",
        "id": "1",
        "channelId": "directline",
        "serviceUrl": stack.channel,
        "text": "hi",
        "from": {"id": "x"},
        "recipient": {"id": "bot"},
        "conversation": {"id": "c"},
    }
    with pytest.raises(HttpError) as caught:
        stack.api("POST", "messages", activity, Authorization="Bearer garbage")
    assert caught.value.status in {401, 403}


def wait_external(stack: Stack, operation: str) -> dict[str, object]:
    """What the other system is given, once the operation waits for it."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        view = stack.api("GET", f"operations/{operation}")
        if "external" in view and view["state"] == "waiting":
            return view["external"]
        time.sleep(0.05)
    raise AssertionError(view)


def wait_percent(stack: Stack, operation: str, percent: int) -> None:
    end = time.monotonic() + 10
    while stack.api("GET", f"operations/{operation}")["percent"] != percent:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_where_messages_can_be_changed_the_first_answer_follows_the_work(stack: Stack):
    chat = Chat(stack.channel, f"dl_teams{time.time_ns()}", channelId="msteams")
    job = operation_of(chat.ask("external-job", "One moment please"))
    token = wait_external(stack, job)["token"]
    event = {"type": "event", "name": "LongOperationResponse"}
    chat.post(**event, value={"token": token, "progress": {"percent": 70, "text": "drying"}})
    chat.wait_text("70 %", "drying")
    chat.post(**event, value={"token": token, "result": "dry"})
    chat.wait_text("100 %", "done")
    chat.wait_text("is done", "dry")
