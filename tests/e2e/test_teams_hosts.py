"""Opening conversations on Teams from two hosts at once, and on a channel that asks for the bot's token."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from bench.cloud import SECRET, Cloud, call
from tests.e2e.notifying import FINAL, until

SETTINGS = {
    "MicrosoftAppId": "00000000-0000-4000-8000-000000000b07",
    "MicrosoftAppPassword": "local-app-password",
    "BOT_ALLOW_ANONYMOUS": "false",
    "BOT_TOKEN_ISSUER": "https://api.botframework.com",
}


@pytest.fixture(autouse=True)
def _embedded(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--host"):
        pytest.skip("brings its own hosts")


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[Cloud]:
    with Cloud(tmp_path / "cloud", hosts=2) as cloud:
        yield cloud


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Cloud]:
    """A channel with --auth, and the host with the settings that it prints."""
    cloud = Cloud(tmp_path / "cloud", options=("--auth",))
    urls = {
        "BOT_OPENID_METADATA_URL": f"{cloud.channel}/v1/.well-known/openidconfiguration",
        "BOT_TOKEN_URL": f"{cloud.channel}/oauth2/v2.0/token",
    }
    for program in cloud.host_programs:
        program.environ = {**program.environ, **SETTINGS, **urls}
    with cloud:
        yield cloud


def register(cloud: Cloud, host: int, address: dict[str, str]) -> None:
    """Each host has people of its own: on Azure they share one task hub."""
    path = f"users/aad%3A{address['tenantId']}%3A{address['aadObjectId']}"
    cloud.api("PUT", path, {"consents": [{"channel": "bot", "source": "import"}]}, host=host)


def told(cloud: Cloud, host: int, address: dict[str, str], text: str) -> dict[str, Any]:
    body = {"to": address, "category": "orders", "text": text}
    sent = cloud.api("POST", "notifications", body, host=host)
    end = time.monotonic() + 60
    while True:
        view = cloud.api("GET", f"notifications/{sent['id']}", host=host)
        if view["status"] in FINAL:
            return view
        assert time.monotonic() < end, view
        time.sleep(0.05)


def creations(cloud: Cloud) -> list[dict[str, Any]]:
    wire = cloud.admin("GET", "wire")["entries"]
    return [entry for entry in wire if entry["title"] == "POST /teams/v3/conversations"]


def test_two_hosts_at_once_store_one_conversation(two_hosts: Cloud):
    address = {"aadObjectId": str(uuid.uuid4()), "tenantId": str(uuid.uuid4())}
    for host in (0, 1):
        register(two_hosts, host, address)
    # Both have asked before either is answered.
    two_hosts.admin("POST", "faults", {"preset": "slow", "delay": 2.0, "operations": ["create"], "times": 2})
    with ThreadPoolExecutor(2) as pool:
        views = list(pool.map(lambda host: told(two_hosts, host, address, f"from host {host}"), (0, 1)))
    assert [view["status"] for view in views] == ["delivered", "delivered"]
    assert len({entry["answer"]["id"] for entry in creations(two_hosts)}) == 1
    with TableServiceClient.from_connection_string(two_hosts.connection) as service:
        rows = service.get_table_client("references").list_entities()
        assert sum(row["RowKey"].startswith("bot-") for row in rows) == 1


def test_two_hosts_open_no_faster_than_teams_allows(two_hosts: Cloud):
    tenant = str(uuid.uuid4())
    people = [{"aadObjectId": str(uuid.uuid4()), "tenantId": tenant} for _ in range(12)]
    for number, address in enumerate(people):
        register(two_hosts, number % 2, address)
    two_hosts.admin("PUT", "limits", {"enabled": True})
    with ThreadPoolExecutor(6) as pool:
        views = list(pool.map(lambda entry: told(two_hosts, entry[0] % 2, entry[1], "hello"), enumerate(people)))
    assert {view["status"] for view in views} == {"delivered"}
    assert {entry["status"] for entry in creations(two_hosts)} == {201}
    assert len(creations(two_hosts)) == len(people)


def test_a_conversation_is_opened_with_the_bots_own_token(guarded: Cloud):
    address = {"aadObjectId": str(uuid.uuid4()), "tenantId": str(uuid.uuid4())}
    register(guarded, 0, address)
    view = told(guarded, 0, address, "with credentials")
    assert (view["status"], view["tries"]) == ("delivered", 1)
    [asked] = creations(guarded)
    assert asked["status"] == 201
    conversation = asked["answer"]["id"]
    said = {"type": "message", "text": "hello", "from": {"id": address["aadObjectId"]}}
    url = f"{guarded.channel}/v3/directline/conversations/{conversation}/activities"
    call("POST", url, said, {"Authorization": f"Bearer {SECRET}"})
    path = f"users/msteams%3A{address['aadObjectId']}"
    until(lambda: bool(guarded.api("GET", path)["conversations"]))
    assert f"aad:{address['tenantId']}:{address['aadObjectId']}" in guarded.api("GET", path)["aliases"]
    assert told(guarded, 0, address, "and again")["status"] == "delivered"
    assert len(creations(guarded)) == 1
    assert asked["body"] == {
        "isGroup": False,
        "bot": {"id": f"28:{SETTINGS['MicrosoftAppId']}"},
        "members": [{"id": address["aadObjectId"]}],
        "tenantId": address["tenantId"],
        "channelData": {"tenant": {"id": address["tenantId"]}},
    }
