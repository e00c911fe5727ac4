"""The `user` entities over the client that azure-functions-durable binds to a function."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from ringback.delivery.people import ClientUserEntities


class DurableUserEntities(ClientUserEntities):
    """`UserEntities` over one DurableOrchestrationClient."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, df.EntityId)
