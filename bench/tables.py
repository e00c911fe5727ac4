"""The embedded Table endpoint beside Azurite: inserts, reads, queries and transactions a second."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from azure.data.tables.aio import TableClient, TableServiceClient

ROOT = Path(__file__).resolve().parents[1]
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
INSTALLED = ROOT / ".local" / "npm" / "node_modules" / ".bin" / "azurite-table"
START_SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench tables", description=__doc__)
    parser.add_argument(
        "--entities", type=int, default=1500, help="entities inserted one by one (default: %(default)s)"
    )
    entities = parser.parse_args().entities
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in endpoints(Path(folder)).items():
            port = free_port()
            with running([word.format(port=port) for word in command], port):
                figures[name] = asyncio.run(measure(port, entities))
    report(figures)
    if "azurite" not in figures:
        print("Azurite was not measured: npm install --prefix .local/npm azurite@3.37.0, or set AZURITE_BIN.")
        return 0
    return 0 if figures["embedded"]["serial inserts"] >= figures["azurite"]["serial inserts"] else 1


def endpoints(folder: Path) -> dict[str, list[str]]:
    """Commands by name, with a place for the port. Both keep their data in files."""
    state = ["--state", str(folder / "embedded")]
    found = {"embedded": [sys.executable, "-m", "local.services.tables", "--port", "{port}", *state]}
    azurite = os.environ.get("AZURITE_BIN") or (str(INSTALLED) if INSTALLED.exists() else shutil.which("azurite-table"))
    if azurite:
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder / "azurite")]
        found["azurite"] = [azurite, "--tablePort", "{port}", *options]
    return found


async def measure(port: int, entities: int) -> dict[str, float]:
    """Operations a second, by kind."""
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    )
    async with TableServiceClient.from_connection_string(connection) as service, created(service) as table:
        return {
            "serial inserts": await rate(entities, lambda n: table.create_entity(row(n))),
            "point reads": await rate(entities, lambda n: table.get_entity(f"p{n // 10}", f"{n:06d}")),
            "merges": await rate(entities, lambda n: table.update_entity({**row(n), "more": n})),
            "queries of one partition": await rate(entities // 10, lambda n: partition(table, n)),
            "rows in transactions": 100 * await rate(20, lambda n: table.submit_transaction(hundred(n))),
            "inserts, 16 at once": await together(table, entities),
        }


@asynccontextmanager
async def created(service: TableServiceClient) -> AsyncIterator[TableClient]:
    table = await service.create_table("Measured")
    async with table:
        yield table


def row(n: int) -> dict[str, object]:
    return {"PartitionKey": f"p{n // 10}", "RowKey": f"{n:06d}", "text": "x" * 200, "number": n, "share": n / 7}


def hundred(n: int) -> list[tuple[str, dict[str, object]]]:
    return [("create", {**row(m), "PartitionKey": f"t{n}"}) for m in range(100)]


async def partition(table: TableClient, n: int) -> None:
    assert [entity async for entity in table.query_entities(f"PartitionKey eq 'p{n}'")]


async def rate(count: int, operation: Callable[[int], Awaitable[object]]) -> float:
    """Operations a second, one after the other; the median of five parts, so that one pause counts less."""
    part = max(1, count // 5)
    rates = []
    for start in range(0, part * 5, part):
        began = time.perf_counter()
        for n in range(start, start + part):
            await operation(n)
        rates.append(part / (time.perf_counter() - began))
    return statistics.median(rates)


async def together(table: TableClient, count: int) -> float:
    numbers: Iterator[int] = iter(range(count))

    async def insert() -> None:
        for n in numbers:
            await table.create_entity({**row(n), "PartitionKey": f"c{n}"})

    began = time.perf_counter()
    await asyncio.gather(*(insert() for _ in range(16)))
    return count / (time.perf_counter() - began)


def report(figures: dict[str, dict[str, float]]) -> None:
    names = list(figures)
    print(f"{'a second':<26}" + "".join(f"{name:>12}" for name in names))
    for kind in figures[names[0]]:
        print(f"{kind:<26}" + "".join(f"{figures[name][kind]:>12,.0f}" for name in names))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if time.monotonic() > deadline or process.poll() is not None:
                sys.exit(f"{command[0]} did not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
