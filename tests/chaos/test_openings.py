"""Many people on Teams who never wrote, a channel that opens conversations badly, and a host that is killed meanwhile."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, call
from tests.chaos.test_delivery import Killer, Patient, kept, wait_all_ended

PEOPLE, TENANTS, EACH, KILLS = 60, 6, 2, 3
FAULTS: list[dict[str, Any]] = [
    {"preset": "429-retry-after", "retryAfter": 1, "rate": 0.1},
    {"preset": "502-html", "rate": 0.1},
    {"preset": "504-taken", "rate": 0.1},
    {"preset": "drop-taken", "rate": 0.1},
    {"preset": "drop", "rate": 0.05},
]


def register(patient: Patient, person: dict[str, str]) -> None:
    path = f"users/aad%3A{person['tenantId']}%3A{person['aadObjectId']}"
    patient.api("PUT", path, {"consents": [{"channel": "bot", "source": "import"}]})


def conversations(cloud: Cloud) -> Counter[str]:
    """How many conversations the channel has with each person."""
    found = call("GET", f"{cloud.channel}/v3/conversations")["conversations"]
    return Counter(entry["members"][0]["id"] for entry in found)


@pytest.mark.timeout(900)
def test_each_gets_one_conversation_and_every_message(tmp_path: Path):
    tenants = [str(uuid.uuid4()) for _ in range(TENANTS)]
    people = [{"aadObjectId": str(uuid.uuid4()), "tenantId": tenants[number % TENANTS]} for number in range(PEOPLE)]
    # What Teams allows is tested elsewhere; here it would only spread the creations over a minute.
    with Cloud(tmp_path / "cloud", THROTTLE_CREATE="off") as cloud:
        patient = Patient(cloud)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda person: register(patient, person), people))
        for rule in FAULTS:
            cloud.admin("POST", "faults", {**rule, "operations": ["create"]})

        taken_in: list[Any] = []

        def notify(number: int) -> None:
            body = {
                "id": f"n{number}",
                "to": people[number % PEOPLE],
                "category": "orders",
                "text": f"message {number}",
            }
            taken_in.append(patient.api("POST", "notifications", body))

        killer = Killer(cloud, KILLS, seed=11, done=lambda: len(taken_in) / (PEOPLE * EACH))
        killer.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(notify, range(PEOPLE * EACH)))
        killer.join()
        rows = wait_all_ended(cloud, PEOPLE * EACH, seconds=300)
        sent = kept(cloud.folder)
        assert Counter(row["State"] for row in rows.values()) == {"delivered": PEOPLE * EACH}
        for delivery, row in rows.items():
            # Only a host that died while it sent, and no question for a conversation, can have doubled a message.
            assert 1 <= sent[delivery] <= 1 + row["Ambiguous"], f"{delivery}: {row}"
        assert conversations(cloud) == {person["aadObjectId"]: 1 for person in people}
        with TableServiceClient.from_connection_string(cloud.connection) as service:
            opened = [row for row in service.get_table_client("references").list_entities() if "bot-" in row["RowKey"]]
        assert len(opened) == PEOPLE
