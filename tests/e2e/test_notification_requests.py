"""Requests that cannot be done as they stand: each is answered with the field at fault."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.directline import Chat, HttpError
from tests.e2e.notifying import CARD, ask
from tests.e2e.stack import Stack


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"to": {"userId": "directline:nobody"}}, 404, "to.userId"),
        ({"to": {"userId": "nobody"}}, 400, "to.userId"),
        ({"to": {"userId": "8:acs:1234_5678"}}, 404, "to.userId"),
        ({"to": {"conversation": "msteams:19:none@thread.tacv2"}}, 404, "to.conversation"),
        ({"to": {"conversation": "msteams"}}, 400, "to.conversation"),
        ({"to": {"conversation": {"channelId": "msteams"}}}, 400, "to.conversation.id"),
        ({"to": {"conversation": {"channelId": "msteams", "id": "19:none"}}}, 404, "to.conversation"),
        ({"to": {"aadObjectId": "a"}}, 400, "to.tenantId"),
        ({"to": {"aadObjectId": "a", "tenantId": "t"}}, 404, "to.aadObjectId"),
        ({"to": {"externalId": "crm-none"}}, 404, "to.externalId"),
        ({"to": {}}, 400, "to"),
        ({"to": {"name": "Ann"}}, 400, "to.name"),
        ({"to": None}, 400, "to"),
        ({"id": "a/b"}, 400, "id"),
        ({"id": "x" * 91}, 400, "id"),
        ({"id": 5}, 400, "id"),
        ({"category": "Orders!"}, 400, "category"),
        ({"priority": "urgent"}, 400, "priority"),
        ({"text": None}, 400, "text"),
        ({"text": ""}, 400, "text"),
        ({"text": "x" * 41_000}, 413, "text"),
        ({"text": None, "card": {**CARD, "body": [{"type": "TextBlock", "text": "x" * 41_000}]}}, 413, "card"),
        ({"text": None, "card": {**CARD, "body": [{"type": "Blink"}]}}, 400, "card.body.0.type"),
        ({"text": None, "card": {"type": "HeroCard"}}, 400, "card"),
        ({"template": "t"}, 400, "template"),
        ({"text": None, "template": "no-such-template", "data": {}}, 404, "template"),
        ({"data": {}}, 400, "template"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, 400, "expiresAt"),
        ({"expiresAt": "2020-01-01T00:00:00"}, 400, "expiresAt"),
        ({"notBefore": "tomorrow"}, 400, "notBefore"),
        ({"notBefore": "9999-01-01T00:00:00Z"}, 400, "notBefore"),
        ({"link": "javascript:alert(1)"}, 400, "link"),
        ({"channels": []}, 400, "channels"),
        ({"channels": ["fax"]}, 400, "channels"),
        ({"onAmbiguous": "pray"}, 400, "onAmbiguous"),
        ({"notbefore": "2030-01-01T00:00:00Z"}, 400, "notbefore"),
    ],
)
def test_a_bad_request_names_the_field(stack: Stack, known_user: Chat, change: dict[str, Any], status: int, field: str):
    body = {name: value for name, value in {**ask(known_user, text="x"), **change}.items() if value is not None}
    with pytest.raises(HttpError) as caught:
        stack.api("POST", "notifications", body)
    assert (caught.value.status, f'"field":"{field}"' in caught.value.body) == (status, True), caught.value.body


@pytest.fixture(scope="module")
def known_user(stack: Stack) -> Chat:
    chat = Chat(stack.channel, f"dl_known{time.time_ns()}")
    chat.ask("hello", "Hello")
    return chat


@pytest.mark.parametrize("path", ["notifications/none", "notifications/none-result"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id_is_not_found(stack: Stack, path: str, method: str):
    with pytest.raises(HttpError) as caught:
        stack.api(method, path)
    assert caught.value.status == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "since=yesterday", "since=2026-01-01T00:00:00"])
def test_a_bad_query_of_dead_letters_names_the_field(stack: Stack, query: str):
    with pytest.raises(HttpError) as caught:
        stack.api("GET", f"dead-letters?{query}")
    assert (caught.value.status, f'"field":"{query.partition("=")[0]}"' in caught.value.body) == (400, True)
