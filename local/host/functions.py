"""The functions of the loaded app: what each is, how it is bound, and which names the app knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.host.playback import HTTP_ACTIVITY, UnknownNameError

DURABLE_NAME_FIELDS = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity"}
KINDS = {"orchestrationTrigger": "orchestrator", "activityTrigger": "activity", "entityTrigger": "entity"}


class FunctionDefinitionError(Exception):
    """A function that no Functions host would load; the message names it and the fix."""


@dataclass(frozen=True)
class Binding:
    name: str
    type: str
    direction: str
    settings: dict[str, Any]

    @property
    def is_output(self) -> bool:
        return self.direction == "OUT"


@dataclass(frozen=True)
class Function:
    """One function of the app. `call` is the user's code, already wrapped by the SDK's decorators."""

    name: str
    call: Callable[..., Any]
    trigger: Binding
    bindings: tuple[Binding, ...]
    is_async: bool
    wants_context: bool
    retry: dict[str, str] | None = None
    directory: str = ""

    @property
    def kind(self) -> str:
        return self.trigger.type

    @property
    def durable_name(self) -> str:
        """The name that orchestrations call it by."""
        field_name = DURABLE_NAME_FIELDS.get(self.kind, "entity_name")
        settings = self.trigger.settings
        return settings.get(field_name) or settings.get("entityName") or self.name

    @property
    def inputs(self) -> list[Binding]:
        return [b for b in self.bindings if not b.is_output and b is not self.trigger]

    @property
    def outputs(self) -> list[Binding]:
        return [b for b in self.bindings if b.is_output and b.name != "$return"]

    @property
    def return_binding(self) -> Binding | None:
        return next((b for b in self.bindings if b.name == "$return"), None)


def describe(source: Any, directory: str = "") -> Function:
    """A Function of an `azure.functions.Function`. Raises FunctionDefinitionError."""
    name = source.get_function_name()
    trigger_source = source.get_trigger()
    if trigger_source is None:
        raise FunctionDefinitionError(f"function {name} has no trigger; give it one, such as @app.route(…)")
    bindings = tuple(_binding(b) for b in source.get_bindings())
    trigger = next(b for b in bindings if b.name == trigger_source.name and b.type == trigger_source.type)
    call = source.get_user_function()
    retry = source.get_settings_dict("retry_policy")
    wants_context = _check_parameters(name, call, bindings)
    return Function(
        name=name,
        call=call,
        trigger=trigger,
        bindings=bindings,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=wants_context,
        retry=retry,
        directory=directory,
    )


def _binding(source: Any) -> Binding:
    settings = source.get_dict_repr()
    direction = str(getattr(settings.get("direction"), "name", settings.get("direction")))
    return Binding(source.name, source.type, direction, settings)


def _check_parameters(name: str, call: Callable[..., Any], bindings: tuple[Binding, ...]) -> bool:
    """Do the parameters and the bindings match, as the Python worker demands? Returns whether `context` is injected."""
    parameters = set(inspect.signature(call).parameters)
    bound = {b.name for b in bindings if b.name != "$return"}
    injected = "context" in parameters and "context" not in bound
    surplus = parameters - bound - ({"context"} if injected else set())
    missing = bound - parameters
    if surplus:
        raise FunctionDefinitionError(
            f"function {name} has parameters that no binding fills: {', '.join(sorted(surplus))}. "
            f"Its bindings are: {', '.join(sorted(bound))}."
        )
    if missing:
        raise FunctionDefinitionError(
            f"function {name} has bindings without a parameter of that name: {', '.join(sorted(missing))}. "
            f"Its parameters are: {', '.join(sorted(parameters)) or 'none'}."
            + (" An orchestrator's or entity's context_name must be 'context'." if injected else "")
        )
    return injected


@dataclass
class Registry:
    """The functions of an app, by name and by what calls them. Durable names ignore letter case."""

    functions: dict[str, Function] = field(default_factory=dict)
    activities: dict[str, Function] = field(default_factory=dict)
    orchestrators: dict[str, Function] = field(default_factory=dict)
    entities: dict[str, Function] = field(default_factory=dict)

    @classmethod
    def of(cls, functions: list[Function]) -> Registry:
        registry = cls()
        for function in functions:
            registry.functions[function.name] = function
            table = registry.table(function.kind)
            if table is not None:
                table[function.durable_name.lower()] = function
        return registry

    def table(self, kind: str) -> dict[str, Function] | None:
        tables = {
            "orchestrationTrigger": self.orchestrators,
            "activityTrigger": self.activities,
            "entityTrigger": self.entities,
        }
        return tables.get(kind)

    def of_kind(self, kind: str) -> list[Function]:
        return [function for function in self.functions.values() if function.kind == kind]

    def find(self, name: str) -> Function | None:
        """A function by its own name, whatever the letter case."""
        lowered = name.lower()
        return next((f for n, f in self.functions.items() if n.lower() == lowered), None)

    def require_activity(self, name: str) -> None:
        if name != HTTP_ACTIVITY and name.lower() not in self.activities:
            raise UnknownNameError(self.unknown(name, "activityTrigger"))

    def require_orchestrator(self, name: str) -> None:
        if name.lower() not in self.orchestrators:
            raise UnknownNameError(self.unknown(name, "orchestrationTrigger"))

    def require_entity(self, name: str) -> None:
        if name.lower() not in self.entities:
            raise UnknownNameError(self.unknown(name, "entityTrigger"))

    def unknown(self, name: str, kind: str) -> str:
        """What the real host says of a name that is not there."""
        word = KINDS[kind]
        known = "', '".join(sorted(f.durable_name for f in (self.table(kind) or {}).values()))
        article = "a" if word[0] not in "aeiou" else "an"
        return (
            f"The function '{name}' doesn't exist, is disabled, or is not {article} {word} function. Additional info: "
            f"The following are the known {word} functions: '{known}'."
        )
