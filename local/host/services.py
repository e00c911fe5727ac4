"""What most parts of the host share. The registry is replaced when the app is loaded again."""

from __future__ import annotations

from dataclasses import dataclass

from local.host.clock import Clock
from local.host.functions import Registry
from local.host.invocation import Invoker
from local.host.log import Log
from local.host.settings import HostSettings
from local.host.store import Store


@dataclass
class Services:
    store: Store
    registry: Registry
    invoker: Invoker
    clock: Clock
    log: Log
    settings: HostSettings
