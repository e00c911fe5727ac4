"""What the app's functions raise reaches their caller as an Exception, and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.host.failures import AppExitError, told
from local.host.functions import Binding, Function
from local.host.invocation import Invoker
from tests.unit.host.world import QuietLog

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
        await asyncio.wait_for(invoker.call(raising(error), None), 5)
    assert told(caught.value).startswith(f"{type(error).__name__}: 3\n")
    assert "in call" in told(caught.value)


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_a_function_of_the_turns_that_would_end_its_thread_fails(invoker: Invoker, error: BaseException) -> None:
    with pytest.raises(AppExitError):
        invoker.call_here(raising(error), None)
    assert f"{type(error).__name__}: 3" in "\n".join(invoker._log.said)


@pytest.mark.parametrize("timeout", [None, 5])
@pytest.mark.parametrize("error", RAISED[:2], ids=repr)
async def test_an_async_function_that_would_end_the_loop_fails(
    invoker: Invoker, error: BaseException, timeout: float | None
) -> None:
    async def call(x: Any) -> None:
        await asyncio.sleep(0)
        raise error

    invoker.timeout = timeout
    with pytest.raises(AppExitError):
        await invoker.call(function(call, is_async=True), None)
    assert f"{type(error).__name__}: 3" in "\n".join(invoker._log.said)
