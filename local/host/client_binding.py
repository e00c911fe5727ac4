"""The durableClient binding: the string that the SDK's DurableOrchestrationClient is made of, and its URLs."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any

from local.host import jsontext
from local.host.settings import expand

ROOT = "/runtime/webhooks/durabletask"
OPERATIONS = {
    "statusQueryGetUri": ("", False),
    "sendEventPostUri": ("/raiseEvent/{eventName}", False),
    "terminatePostUri": ("/terminate", True),
    "rewindPostUri": ("/rewind", True),
    "purgeHistoryDeleteUri": ("", False),
    "restartPostUri": ("/restart", False),
    "suspendPostUri": ("/suspend", True),
    "resumePostUri": ("/resume", True),
}


@dataclass(frozen=True)
class ClientUrls:
    """Makes URLs of the management API. `base` is `http://host:port`; `code` the system key."""

    hub: str
    connection: str
    code: str

    def query(self, hub: str | None = None, connection: str | None = None) -> str:
        return (
            f"taskHub={_quoted(hub or self.hub)}&connection={_quoted(connection or self.connection)}&code={self.code}"
        )

    def management(
        self, base: str, instance_id: str, hub: str | None = None, connection: str | None = None
    ) -> dict[str, str]:
        """The URLs of one instance, by the names that the real host gives them."""
        query = self.query(hub, connection)
        root = f"{base}{ROOT}/instances/{_quoted(instance_id)}"
        return {
            name: f"{root}{path}?{'reason={text}&' if takes_reason else ''}{query}"
            for name, (path, takes_reason) in OPERATIONS.items()
        }

    def created(self, base: str, instance_id: str, hub: str | None, connection: str | None) -> dict[str, str]:
        """The body of a 202 to a start: there is nothing to rewind yet."""
        urls = self.management(base, instance_id, hub, connection)
        del urls["rewindPostUri"]
        return {"id": instance_id, **urls}

    def binding(self, base: str, rpc_base: str, settings: dict[str, Any]) -> str:
        """The binding's string. `settings` are those of the function's binding (taskHub, connectionName)."""
        hub = expand(settings["taskHub"]) if settings.get("taskHub") else self.hub
        connection = settings.get("connectionName")
        create = f"{base}{ROOT}/orchestrators/{{functionName}}[/{{instanceId}}]?"
        return jsontext.dumps(
            {
                "taskHubName": hub,
                "connectionName": None,
                "creationUrls": {
                    "createNewInstancePostUri": f"{create}code={self.code}",
                    "createAndWaitOnNewInstancePostUri": (
                        f"{create}timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&code={self.code}"
                    ),
                },
                "managementUrls": {"id": "INSTANCEID", **self.management(base, "INSTANCEID", hub, connection)},
                "baseUrl": f"{base}{ROOT}",
                "requiredQueryStringParameters": f"code={self.code}",
                "rpcBaseUrl": rpc_base,
                "httpBaseUrl": None,
                "maxGrpcMessageSizeInBytes": None,
                "grpcHttpClientTimeout": None,
            }
        )


def _quoted(text: str) -> str:
    """As .NET's WebUtility.UrlEncode: a space becomes `+`, which the API reads back as one."""
    return urllib.parse.quote_plus(text, safe="!*()")
