"""Output bindings: what a function returned or set, handed to where its bindings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from local.host.failures import RunFailedError, described
from local.host.functions import Binding, Function
from local.host.log import Log

Sender = Callable[[Binding, Any], Awaitable[None]]


class OutputError(RunFailedError):
    """An output binding did not take its value."""


class Outputs:
    def __init__(self, log: Log) -> None:
        self._log = log
        self.senders: dict[str, Sender] = {}

    async def deliver(self, function: Function, returned: Any, outs: dict[str, Any]) -> None:
        """Send each value to its binding. HTTP answers are not sent from here. Raises OutputError."""
        for binding in function.bindings:
            value = returned if binding.name == "$return" else outs.get(binding.name)
            if not binding.is_output or value is None or binding.type == "http":
                continue
            sender = self.senders.get(binding.type)
            if sender is None:
                self._log.warning(
                    f"function {function.name}: this host has no output binding of type {binding.type}; "
                    f"the value is dropped"
                )
            else:
                await self._send(sender, function, binding, value)

    async def _send(self, sender: Sender, function: Function, binding: Binding, value: Any) -> None:
        try:
            await sender(binding, value)
        except Exception as error:
            raise OutputError(
                f"function {function.name}: its code ran, and its output binding '{binding.name}' ({binding.type}) did "
                f"not take the value: {described(error)}"
            ) from error
