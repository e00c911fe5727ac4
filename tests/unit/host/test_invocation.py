"""What the app's functions raise reaches their caller as an Exception, and the log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.host.failures import AppExitError, FunctionTimeoutError, told
from local.host.functions import Binding, Function
from local.host.invocation import Invoker
from tests.unit.host.world import QuietLog

SECONDS = 20
RAISED = [SystemExit(3), KeyboardInterrupt("3"), GeneratorExit("3"), asyncio.CancelledError("3"), StopIteration("3")]


@pytest.fixture
def invoker() -> Iterator[Invoker]:
    with ThreadPoolExecutor(1) as pool:
        yield Invoker(QuietLog(), pool, lambda _: "{}")


def function(call: Callable[..., Any], *, is_async: bool = False) -> Function:
    trigger = Binding("x", "httpTrigger", "IN", {})
    return Function("f", call, trigger, (trigger,), is_async=is_async, wants_context=False, retry=None)


def raising(error: BaseException) -> Function:
    def call(x: Any) -> None:
        raise error

    return function(call)


@pytest.mark.parametrize("error", RAISED, ids=repr)
async def test_a_sync_function_that_would_end_its_thread_fails(invoker: Invoker, error: BaseException) -> None:
    with pytest.raises(AppExitError) as caught:
        await asyncio.wait_for(invoker.call(raising(error), None), 60)
    assert told(caught.value).startswith(f"{type(error).__name__}: 3\n")
    assert "in call" in told(caught.value)


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_a_function_of_the_turns_that_would_end_its_thread_fails(invoker: Invoker, error: BaseException) -> None:
    with pytest.raises(AppExitError):
        invoker.call_here(raising(error), None)
    assert f"{type(error).__name__}: 3" in "\n".join(invoker._log.said)


@pytest.mark.parametrize("timeout", [None, 5])
@pytest.mark.parametrize("error", [*RAISED[:2], RAISED[3]], ids=repr)
async def test_an_async_function_that_would_end_the_loop_fails(
    invoker: Invoker, error: BaseException, timeout: float | None
) -> None:
    async def call(x: Any) -> None:
        await asyncio.sleep(0)
        raise error

    invoker.timeout = timeout
    with pytest.raises(AppExitError):
        await asyncio.wait_for(invoker.call(function(call, is_async=True), None), SECONDS)
    assert f"{type(error).__name__}: 3" in "\n".join(invoker._log.said)


async def test_a_call_that_the_host_ends_is_cancelled_and_may_clean_up(invoker: Invoker) -> None:
    begun, cleaned = asyncio.Event(), []

    async def call(x: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(x)

    running = asyncio.get_running_loop().create_task(invoker.call(function(call, is_async=True), "x"))
    await asyncio.wait_for(begun.wait(), SECONDS)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned == ["x"]
    assert not any("Executed" in line for line in invoker._log.said)


async def test_an_async_function_over_its_time_fails_even_if_it_will_not_be_cancelled(invoker: Invoker) -> None:
    let_go = asyncio.Event()

    async def call(x: Any) -> str:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    invoker.timeout = 0.01
    with pytest.raises(FunctionTimeoutError) as caught:
        await asyncio.wait_for(invoker.call(function(call, is_async=True), None), SECONDS)
    assert str(caught.value) == "Timeout value of 00:00:00.0100000 was exceeded by function: Functions.f"
    let_go.set()
    assert executed(invoker) == ["Failed"]


async def test_a_sync_function_over_its_time_leaves_its_thread_to_nobody(invoker: Invoker) -> None:
    let_go = threading.Event()
    invoker.timeout = 0.01
    with pytest.raises(FunctionTimeoutError):
        await asyncio.wait_for(invoker.call(function(lambda x: let_go.wait(SECONDS)), None), SECONDS)
    invoker.timeout = None
    returned, _ = await asyncio.wait_for(invoker.call(function(lambda x: x), "next"), SECONDS)
    let_go.set()
    assert returned == "next"
    assert sum("cannot end its thread" in line for line in invoker._log.said) == 1
    assert executed(invoker) == ["Failed", "Succeeded"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_run_whose_outcome_cannot_be_used_has_failed_and_has_one_line(invoker: Invoker, is_async: bool) -> None:
    async def same(x: Any) -> Any:
        return x

    async def finish(returned: Any, outs: dict[str, Any]) -> None:
        raise ValueError(f"{returned} is of no use")

    with pytest.raises(ValueError, match="of no use"):
        await invoker.call(function(same, is_async=True) if is_async else function(lambda x: x), "it", finish=finish)
    assert executed(invoker) == ["Failed"]


def executed(invoker: Invoker) -> list[str]:
    """The outcomes of the lines of all runs."""
    lines = [line for line in invoker._log.said if line.startswith("Executed")]
    return [line.split("(")[1].split(",")[0] for line in lines]
