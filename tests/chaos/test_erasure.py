"""A person is erased while the host is killed: all that was written to them goes, and nothing goes out again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from bench.cloud import Cloud, RefusedError
from tests.chaos.test_delivery import PATIENCE, Patient, kept, wait, wait_all_ended

# More than one request takes away.
COUNT = 260
SECRET = "the diagnosis"


@pytest.mark.timeout(1500)
def test_an_erasure_outlives_its_host(tmp_path: Path):
    with Cloud(tmp_path / "cloud", THROTTLE_APP="off", THROTTLE_CONVERSATION="off") as cloud:
        patient = Patient(cloud)
        cloud.introduce("dl_patient")
        cloud.introduce("dl_other")

        def notify(number: int) -> None:
            to = {"userId": f"directline:dl_{'other' if number % 10 == 0 else 'patient'}"}
            body = {"id": f"n{number}", "to": to, "category": "clinic", "priority": "critical", "text": SECRET}
            patient.api("POST", "notifications", body)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(notify, range(COUNT)))
        wait_all_ended(cloud, COUNT, PATIENCE)
        sent, path = kept(cloud.folder), f"users/{quote('directline:dl_patient', safe='')}"

        with TableServiceClient.from_connection_string(cloud.connection) as service:
            request = threading.Thread(target=erase, args=(cloud, path))
            request.start()
            wait(lambda: errands(service) > 0)
            cloud.host_programs[0].kill()
            request.join()
            assert contents(service) > COUNT / 10, "the host was too quick to be killed at its work"
            cloud.host_programs[0].start()
            wait(lambda: errands(service) == 0)
            # The other person's are all that is left.
            assert contents(service) == COUNT / 10
        assert patient.api("GET", "notifications/n1")["erased"] is True
        assert patient.api("GET", "notifications/n10")["status"] == "delivered"
        assert kept(cloud.folder) == sent


def erase(cloud: Cloud, path: str) -> None:
    with suppress(OSError, RefusedError):
        cloud.api("DELETE", path)


def errands(service: TableServiceClient) -> int:
    with suppress(ResourceNotFoundError):
        return sum(1 for _ in service.get_table_client("errands").query_entities("PartitionKey eq 'erase'"))
    return 0


def contents(service: TableServiceClient) -> int:
    rows = service.get_table_client("ledger").list_entities()
    return sum(SECRET in repr(dict(row)) for row in rows if row["RowKey"].startswith("notify-"))
