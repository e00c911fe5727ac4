"""The Event Grid webhook."""

from __future__ import annotations

import json

import pytest

from tests.contract.host.harness import Host

WEBHOOK = "/runtime/webhooks/EventGrid?functionName=from_grid"
EVENT = {
    "id": "e1",
    "eventType": "Order.Created",
    "subject": "orders/1",
    "eventTime": "2026-01-01T00:00:00Z",
    "data": {"number": 1},
    "dataVersion": "1.0",
    "topic": "orders",
}


def test_the_handshake_is_answered(doors: Host) -> None:
    handshake = {
        **EVENT,
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6"},
    }
    answer = doors.call("POST", WEBHOOK, [handshake], {"aeg-event-type": "SubscriptionValidation"})
    assert (answer.status, answer.json) == (200, {"validationResponse": "512d38b6"})


def test_the_handshake_of_cloud_events_is_answered(doors: Host) -> None:
    answer = doors.call("OPTIONS", WEBHOOK, headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (answer.status, answer.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


def test_events_come_one_by_one(doors: Host) -> None:
    events = [EVENT, {**EVENT, "id": "e2", "data": {"number": 2}}]
    assert doors.call("POST", WEBHOOK, events, {"aeg-event-type": "Notification"}).status == 202
    assert sorted(doors.call("GET", "/api/seen/grid").json) == [["e1", {"number": 1}], ["e2", {"number": 2}]]


def test_a_function_that_is_not_there(doors: Host) -> None:
    assert doors.call("POST", "/runtime/webhooks/eventgrid?functionName=nosuch", [EVENT]).status == 404
    assert doors.call("POST", "/runtime/webhooks/eventgrid?functionName=from_queue", [EVENT]).status == 404
    assert doors.call("POST", "/runtime/webhooks/eventgrid", [EVENT]).status == 404


@pytest.mark.parametrize("body", [["x"], "x", 5, [EVENT, None]])
def test_events_that_are_no_objects(doors: Host, body: object) -> None:
    answer = doors.call("POST", WEBHOOK, json.dumps(body).encode())
    assert (answer.status, answer.json) == (400, {"error": "each event must be a JSON object"})


@pytest.mark.parametrize("body", [[], [{}], [{"data": 1}]])
def test_a_handshake_without_a_code(doors: Host, body: object) -> None:
    answer = doors.call("POST", WEBHOOK, body, {"aeg-event-type": "SubscriptionValidation"})
    assert (answer.status, "validationCode" in answer.text) == (400, True)


def test_bad_json(doors: Host) -> None:
    assert doors.call("POST", WEBHOOK, b"{").status == 400
