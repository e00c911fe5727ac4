"""What has ended is removed for its age, on the embedded host's test clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from ringback.settings import DEVELOPMENT_KEY
from tests.e2e.clocked import ClockedStack
from tests.e2e.directline import Chat, HttpError, request
from tests.e2e.notifying import ended, fault, notify, until

SECRET = "the diagnosis"


@pytest.fixture
def clocked(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Iterator[ClockedStack]:
    if request.config.getoption("--host"):
        pytest.skip("needs the embedded host's test clock")
    monkeypatch.setenv("RETENTION_CONTENT_DAYS", "7")
    found = ClockedStack(tmp_path / "state")
    try:
        found.start()
        yield found
    finally:
        found.kill()


def rows(stack: ClockedStack, name: str) -> list[dict[str, Any]]:
    endpoint = f"http://127.0.0.1:{stack.tables_port}/devstoreaccount1"
    connection = f"AccountName=devstoreaccount1;AccountKey={DEVELOPMENT_KEY};TableEndpoint={endpoint}"
    with TableServiceClient.from_connection_string(connection) as service:
        return [dict(row) for row in service.get_table_client(name).list_entities()]


def pass_of(stack: ClockedStack, days: int) -> dict[str, Any]:
    """Let so many days pass while the host is down; what the pass did that makes up for the nights."""
    noon = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=days)
    stack.leap(noon)
    before = (noon - timedelta(days=90)).isoformat()[:10]

    def done() -> bool:
        with suppress(HttpError):
            status = stack.status("retention")
            return status["runtimeStatus"] == "Completed" and status["output"]["endedBefore"].startswith(before)
        return False

    until(done, 120)
    return stack.status("retention")["output"]


def refused(stack: ClockedStack, path: str) -> str:
    with pytest.raises(HttpError) as answer:
        stack.api("GET", path)
    assert answer.value.status == 404
    return str(answer.value)


@pytest.mark.timeout(400)
def test_what_has_ended_goes_and_what_waits_stays(clocked: ClockedStack):
    ann, bob = Chat(clocked.channel, "dl_ann"), Chat(clocked.channel, "dl_bob")
    for chat in (ann, bob):
        chat.ask("hello", "Hello")
    far = datetime.now(timezone.utc) + timedelta(days=300)
    notify(clocked, ann, id="sent", text=SECRET)
    notify(clocked, ann, id="later", text=SECRET, notBefore=far.isoformat())
    fault(clocked, bob, "403-not-installed")
    notify(clocked, bob, id="refused", text=SECRET)
    started = clocked.api("POST", "operations", {"operation": "external-job", "input": {"what": SECRET}})["id"]
    clocked.api("DELETE", f"operations/{started}")
    clocked.wait_ended(started)
    assert ended(clocked, "sent")["status"] == "delivered"
    assert ended(clocked, "refused")["status"] == "failed"

    done = pass_of(clocked, 30)
    assert done["removed"] == {"content": 1}
    assert {row["RowKey"] for row in rows(clocked, "ledger") if row.get("Pieces")} == {"notify-later", "notify-refused"}
    shown = clocked.api("GET", "notifications/sent")
    assert (shown["status"], shown["contentRemoved"], shown["tries"]) == ("delivered", True, 1)
    assert clocked.api("GET", "notifications/refused")["status"] == "failed"

    done = pass_of(clocked, 100)
    assert done["removed"] == {"delivery": 2, "operation": 1}
    assert clocked.api("GET", "metrics")["removed"] == {"delivery": 2, "operation": 1}
    line = f"retention {json.dumps(done, separators=(',', ':'))}"
    until(lambda: line in clocked.log.read_text(errors="replace"))
    for path in ("notifications/sent", "notifications/refused", f"operations/{started}"):
        assert "One that ended more than 90 days ago was removed." in refused(clocked, path)
    for instance in ("notify-sent", "notify-refused", started):
        with pytest.raises(HttpError):
            clocked.status(instance)
    assert clocked.api("GET", "dead-letters")["deadLetters"] == []
    assert {row["RowKey"] for row in rows(clocked, "ledger")} == {"notify-later"}

    # Who waits is not touched, and an id that was removed may be used again.
    assert clocked.api("GET", "notifications/later")["status"] == "waiting"
    notify(clocked, ann, id="sent", text="another message")
    assert ended(clocked, "sent")["status"] == "delivered"
    ann.wait_text("another message")
    request("POST", f"{clocked.host}/admin/functions/start_retention", {})
    assert clocked.api("GET", "notifications/later")["status"] == "waiting"
    clocked.leap(far)
    clocked.move(far + timedelta(minutes=1))
    assert ended(clocked, "later")["status"] == "delivered"
