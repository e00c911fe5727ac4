"""Old deliveries are removed while the host is killed: all of them go, and nothing else does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, RefusedError, call
from tests.chaos.test_delivery import PATIENCE, Patient, kept, wait, wait_all_ended

OLD, YOUNG, WAITING = 300, 20, 20
AGE = timedelta(days=100)


@pytest.mark.timeout(1500)
def test_a_removal_outlives_its_host(tmp_path: Path):
    with Cloud(tmp_path / "cloud", THROTTLE_APP="off", THROTTLE_CONVERSATION="off") as cloud:
        patient = Patient(cloud)
        cloud.introduce("dl_reader")

        def notify(identity: str, **fields: Any) -> Any:
            body = {"id": identity, "to": {"userId": "directline:dl_reader"}, "category": "news", "text": "hello"}
            return patient.api("POST", "notifications", {**body, "priority": "critical", **fields})

        far = (datetime.now(timezone.utc) + timedelta(days=5)).isoformat()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: notify(f"old{number}"), range(OLD)))
            list(pool.map(lambda number: notify(f"young{number}"), range(YOUNG)))
        wait_all_ended(cloud, OLD + YOUNG, PATIENCE)
        for number in range(WAITING):
            notify(f"waiting{number}", notBefore=far)
        sent = kept(cloud.folder)

        with TableServiceClient.from_connection_string(cloud.connection) as service:
            for row in ledger(service, "notify-old", "notify-waiting"):
                age(service, "ledger", row, "CreatedAt", *(["DeliveredAt"] if "DeliveredAt" in row else []))
            for row in service.get_table_client("notifications").list_entities():
                if row["RowKey"].startswith(("id-notify-old", "id-notify-waiting")):
                    age(service, "notifications", row, "At")
            others = {row["RowKey"]: dict(row) for row in ledger(service, "notify-young", "notify-waiting")}
            begin(cloud)
            wait(lambda: len(ledger(service, "notify-old")) < OLD)
            cloud.host_programs[0].kill()
            assert ledger(service, "notify-old"), "the host was too quick to be killed at its work"
            cloud.host_programs[0].start()
            # The pass that was broken off goes on; whatever it had to leave, the next one takes.
            wait(lambda: status(cloud, "retention")["runtimeStatus"] == "Completed")
            begin(cloud)
            wait(lambda: not ledger(service, "notify-old"))
            left = {row["RowKey"]: dict(row) for row in ledger(service, "notify-")}
            assert left == others
            assert not [row for row in entries(service) if row.startswith("id-notify-old")]
            assert len(others) == len(entries(service)) == YOUNG + WAITING

        for number in (0, OLD - 1):
            with pytest.raises(RefusedError, match="more than 90 days ago"):
                patient.api("GET", f"notifications/old{number}")
            with pytest.raises(RefusedError):
                status(cloud, f"notify-old{number}")
        assert patient.api("GET", "notifications/waiting0")["status"] == "waiting"
        # Nothing goes out again by it, and the ids are free.
        assert kept(cloud.folder) == sent
        assert notify("old0", text="once more")["id"] == "old0"
        wait(lambda: patient.api("GET", "notifications/old0")["status"] == "delivered")


def begin(cloud: Cloud) -> None:
    """Let the timer fire, which begins a pass unless one goes on."""
    call("POST", f"{cloud.hosts[0]}/admin/functions/start_retention", {})


def status(cloud: Cloud, instance: str) -> dict[str, Any]:
    found: dict[str, Any] = call("GET", f"{cloud.hosts[0]}/runtime/webhooks/durabletask/instances/{instance}")
    return found


def ledger(service: TableServiceClient, *prefixes: str) -> list[dict[str, Any]]:
    rows = service.get_table_client("ledger").list_entities()
    return [row for row in rows if row["RowKey"].startswith(prefixes)]


def entries(service: TableServiceClient) -> list[str]:
    rows = service.get_table_client("notifications").list_entities(select=["RowKey"])
    return [row["RowKey"] for row in rows if row["RowKey"].startswith("id-")]


def age(service: TableServiceClient, table: str, row: dict[str, Any], *times: str) -> None:
    moment = datetime.now(timezone.utc) - AGE
    key = {name: row[name] for name in ("PartitionKey", "RowKey")}
    service.get_table_client(table).update_entity({**key, **dict.fromkeys(times, moment)})
