"""What the host says of itself when it starts."""

from __future__ import annotations

from local.host.functions import Registry
from local.host.http_triggers import HttpTriggers
from local.host.keys import Keys
from local.host.log import Log
from local.host.records import Instance


def functions(log: Log, registry: Registry, doors: HttpTriggers, base: str) -> None:
    """The functions of the app, HTTP ones with their URL first."""
    log.line("Functions:")
    for door in doors.doors:
        methods = ",".join(sorted(door.methods)) if door.methods else "ANY"
        log.line(f"    {door.function.name}: [{methods}] {base}/{door.route.template}")
    for function in registry.functions.values():
        if function.kind != "httpTrigger":
            log.line(f"    {function.name}: {function.kind}")


def keys(log: Log, held: Keys) -> None:
    if held.enforced:
        log.line("Keys, for the header x-functions-key or ?code=:")
        log.line(f"    every function: {held.host}")
        log.line(f"    master: {held.master}")


def unfinished(log: Log, count: int, oldest: list[Instance], base: str, held: Keys) -> None:
    """Instances of the last run that go on now, and the one command that clears them."""
    if not count:
        return
    log.line(f"{count} unfinished instance{'s' if count > 1 else ''} of the last run, going on:")
    for instance in oldest:
        log.line(f"    {instance.name} {instance.id}: {instance.status.label}")
    if count > len(oldest):
        log.line(f"    … and {count - len(oldest)} more")
    code = f"?code={held.master}" if held.enforced else ""
    log.line(f"To clear them: curl -X DELETE '{base}/admin/instances{code}'")
