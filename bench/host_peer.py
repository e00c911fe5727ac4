"""The peer of `bench.host`: durabletask's in-memory backend, worker and client in one process. Prints JSON."""

from __future__ import annotations

import json
import logging
import os
import socket
import statistics
import sys
import time
from collections.abc import Generator
from typing import Any

from durabletask import client, entities, task, worker
from durabletask.entities import EntityInstanceId
from durabletask.testing import create_test_backend

from bench.host_loads import Loads


def chain(context: task.OrchestrationContext, count: int) -> Generator[Any, Any, int]:
    number = 0
    for _ in range(count):
        number = yield context.call_activity(add_one, input=number)
    return number


def fan_out(context: task.OrchestrationContext, count: int) -> Generator[Any, Any, int]:
    numbers = yield task.when_all([context.call_activity(add_one, input=n) for n in range(count)])
    return sum(numbers)


def calls(context: task.OrchestrationContext, count: int) -> Generator[Any, Any, int]:
    number = 0
    for _ in range(count):
        number = yield context.call_entity(EntityInstanceId("counter", "called"), "add", 1)
    return number


def add_one(_: task.ActivityContext, number: int) -> int:
    return number + 1


def counter(context: entities.EntityContext, amount: int) -> int:
    total: int = context.get_state(int, 0) + amount
    context.set_state(total)
    return total


class Peer:
    def __init__(self, port: int) -> None:
        self.backend = create_test_backend(port=port, max_history_size=1_000_000)
        address = f"localhost:{port}"
        self.worker = worker.TaskHubGrpcWorker(host_address=address)
        for function in (chain, fan_out, calls):
            self.worker.add_orchestrator(function)
        self.worker.add_activity(add_one)
        self.worker.add_entity(counter)
        self.worker.start()
        self.client = client.TaskHubGrpcClient(host_address=address)

    def run(self, orchestrator: Any, value: int, *, times: int = 1) -> float:
        """Seconds from the first start to the last end."""
        begun = time.perf_counter()
        ids = [self.client.schedule_new_orchestration(orchestrator, input=value) for _ in range(times)]
        for instance_id in ids:
            state = self.client.wait_for_orchestration_completion(instance_id, timeout=300)
            assert state is not None
            assert state.runtime_status is client.OrchestrationStatus.COMPLETED, state
        return time.perf_counter() - begun

    def signal(self, count: int, keys: int) -> float:
        begun = time.perf_counter()
        names = [EntityInstanceId("counter", f"{keys}-{n % keys}") for n in range(count)]
        for name in names:
            self.client.signal_entity(name, "add", 1)
        while sum(found.get_state(int) or 0 for found in self.client.get_all_entities()) < count:
            time.sleep(0.005)
        return time.perf_counter() - begun


def measure(name: str, loads: Loads) -> float:
    """One load, on a backend of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    peer = Peer(port)
    peer.run(chain, 3, times=5)
    if name == "latency":
        return 1000 * statistics.median(peer.run(chain, 3) for _ in range(loads.latencies))
    measured = {
        "chains": lambda: loads.chains / peer.run(chain, 3, times=loads.chains),
        "fan_out": lambda: loads.fan_out / peer.run(fan_out, loads.fan_out),
        "signals_1": lambda: loads.signals / peer.signal(loads.signals, 1),
        "signals_100": lambda: loads.signals / peer.signal(loads.signals, 100),
        "calls": lambda: loads.calls / peer.run(calls, loads.calls),
    }
    return measured[name]()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    try:
        print(json.dumps(measure(sys.argv[1], Loads(**json.loads(sys.argv[2])))), flush=True)
    finally:
        # Its threads do not end by themselves.
        os._exit(0)
