"""Every setting of host.json that the real host knows: what kind of value it has, and what it does on this host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

from local.host import setting_kinds
from local.host.setting_kinds import FLAG, NAME, OBJECT, SPAN, TEXT, TEXTS, Kind, choice, whole


@dataclass(frozen=True)
class Known:
    """`idle` says why a setting has no effect here. With the value `same` this host does what it says."""

    kind: Kind
    idle: str = ""
    same: object = None
    accepted: bool = False
    """Has no effect either, and nobody needs to be told."""


Section = Mapping[str, Union["Known", "Section"]]


def idle(kind: Kind, why: str, same: object = None) -> Known:
    return Known(kind, why, same)


def accepted(kind: Kind) -> Known:
    return Known(kind, accepted=True)


NO_STORAGE = "everything is kept in the state folder (--state)"
ONE_HOST = "only one host at a time can use a state folder"
NO_TELEMETRY = "no telemetry is sent"
UNLIMITED = "the number of requests is not limited"
NO_BINDINGS = "this host has no triggers and bindings of this extension (functions run by POST /admin/functions/NAME)"

STORAGE_PROVIDER: Section = {
    "connectionName": Known(NAME),
    "connectionStringName": Known(NAME),
    "partitionCount": accepted(whole(1)),
    "useTablePartitionManagement": accepted(FLAG),
    **{
        name: idle(whole(0), NO_STORAGE)
        for name in ("controlQueueBatchSize", "controlQueueBufferThreshold", "maxPartitionManagerThreads")
    },
    **{
        name: idle(SPAN, NO_STORAGE)
        for name in (
            "controlQueueVisibilityTimeout", "maxQueuePollingInterval", "workItemQueueVisibilityTimeout",
            "taskEventLockTimeout",
        )
    },
    **{
        name: idle(TEXT, NO_STORAGE)
        for name in (
            "type", "trackingStoreConnectionStringName", "trackingStoreConnectionName", "trackingStoreNamePrefix",
            "queueClientMessageEncoding", "schemaName", "storageConnectionName", "eventHubsConnectionName",
            "taskHubName", "partitionManagement", "loadInformationAzureTableName",
        )
    },
    **{
        name: idle(FLAG, NO_STORAGE)
        for name in (
            "fetchLargeMessagesAutomatically", "useLegacyPartitionManagement", "allowReplayingTerminalInstances",
            "createDatabaseIfNotExists", "useSeparateQueueForEntityWorkItems", "cacheOrchestrationCursors",
        )
    },
}  # fmt: skip

TRACING: Section = {
    "distributedTracingEnabled": accepted(FLAG),
    "distributedTracingProtocol": accepted(TEXT),
    "version": accepted(TEXT),
    "allowVerboseLinuxTelemetry": idle(FLAG, NO_TELEMETRY, same=False),
    "traceInputsAndOutputs": idle(FLAG, NO_TELEMETRY, same=False),
    "traceReplayEvents": idle(FLAG, NO_TELEMETRY, same=False),
}

DURABLE_TASK: Section = {
    "hubName": Known(NAME),
    "defaultVersion": Known(TEXT),
    "versionMatchStrategy": Known(choice("None", "Strict", "CurrentOrOlder")),
    "versionFailureStrategy": Known(choice("Reject", "Fail")),
    "maxConcurrentActivityFunctions": Known(whole(1)),
    "maxConcurrentOrchestratorFunctions": Known(whole(1)),
    "maxEntityOperationBatchSize": Known(whole(1)),
    "maxConcurrentEntityFunctions": idle(
        whole(1), "entities and orchestrators share the threads of maxConcurrentOrchestratorFunctions"
    ),
    "storageProvider": STORAGE_PROVIDER,
    "tracing": TRACING,
    "overridableExistingInstanceStates": idle(
        choice("AnyState", "NonRunningStates"),
        "an instance that has not ended is never replaced by a start with its id",
        same="NonRunningStates",
    ),
    "rollbackEntityOperationsOnExceptions": idle(
        FLAG, "what an operation in Python changed before it failed is kept, as in Azure", same=False
    ),
    "extendedSessionsEnabled": idle(FLAG, "Azure has extended sessions for .NET only", same=False),
    "extendedSessionIdleTimeoutInSeconds": idle(whole(0), "Azure has extended sessions for .NET only"),
    "maxOrchestrationActions": idle(whole(1), "an orchestration may have any number of actions"),
    "entityMessageReorderWindowInMinutes": idle(whole(0), "messages arrive once and in their order"),
    "useGracefulShutdown": accepted(FLAG),
    "throwStatusExceptionsOnRaiseEvent": idle(
        FLAG, "an event for an instance that is not there, or has ended, is always refused", same=True
    ),
    "storeInputsInOrchestrationHistory": idle(FLAG, "inputs of activities are not kept in the history", same=False),
    "useAppLease": idle(FLAG, ONE_HOST, same=True),
    "appLeaseOptions": idle(OBJECT, ONE_HOST),
    "localRpcEndpointEnabled": idle(FLAG, "durable clients in Python need it: it is always there", same=True),
    "maxGrpcMessageSizeInBytes": idle(whole(1), "durable clients in Python do not use gRPC"),
    "grpcHttpClientTimeout": idle(SPAN, "durable clients in Python do not use gRPC"),
    "httpSettings": {
        "defaultAsyncRequestSleepTimeMilliseconds": idle(whole(0), "call_http in Python does not poll, as in Azure"),
        "useForwardedHost": idle(FLAG, "headers of a proxy are not looked at", same=False),
    },
    "notifications": idle(OBJECT, "life-cycle events are not sent"),
}

HTTP: Section = {
    "routePrefix": Known(TEXT),
    "customHeaders": Known(setting_kinds.HEADERS),
    "maxOutstandingRequests": idle(whole(-1), UNLIMITED, same=-1),
    "maxConcurrentRequests": idle(whole(-1), UNLIMITED, same=-1),
    "dynamicThrottlesEnabled": idle(FLAG, UNLIMITED, same=False),
    "hsts": idle(OBJECT, "it serves HTTP, not HTTPS"),
}

QUEUES: Section = {
    "batchSize": Known(whole(1, 32)),
    "maxDequeueCount": Known(whole(1)),
    "maxPollingInterval": Known(SPAN),
    "visibilityTimeout": Known(SPAN),
    "messageEncoding": Known(choice("none", "base64")),
    "newBatchThreshold": idle(whole(0), "the next batch is fetched when the last one is done"),
}

OTHER_EXTENSIONS = (
    "azureOpenAI", "blobs", "connections", "cosmosDB", "dapr", "eventHubs", "kafka", "kusto", "mcp", "mySql", "openai",
    "rabbitMQ", "redis", "sendGrid", "serviceBus", "signalR", "sql", "tables", "twilioSms", "warmup", "webPubSub",
)  # fmt: skip

LOGGING: Section = {
    "applicationInsights": accepted(OBJECT),
    "logLevel": idle(OBJECT, "what the app logs is shown from INFO on; --verbose shows more"),
    "console": idle(OBJECT, "the log always goes to standard output"),
    "debug": idle(OBJECT, "the log always goes to standard output"),
    "fileLoggingMode": idle(TEXT, "the log always goes to standard output"),
}

HOST_JSON: Section = {
    "$schema": accepted(TEXT),
    "version": accepted(TEXT),
    "extensionBundle": accepted(OBJECT),
    "telemetryMode": accepted(TEXT),
    "applicationInsights": accepted(OBJECT),
    "functionTimeout": Known(setting_kinds.TIMEOUT),
    "extensions": {
        "http": HTTP,
        "durableTask": DURABLE_TASK,
        "queues": QUEUES,
        "eventGrid": idle(OBJECT, "/runtime/webhooks/EventGrid has nothing to be set"),
        **{name: idle(OBJECT, NO_BINDINGS) for name in OTHER_EXTENSIONS},
    },
    "logging": LOGGING,
    "aggregator": idle(OBJECT, NO_TELEMETRY),
    "concurrency": idle(OBJECT, "concurrency is what extensions.durableTask and extensions.queues say"),
    "customHandler": idle(OBJECT, "it runs Python apps only"),
    "functions": idle(TEXTS, "every function runs; the setting AzureWebJobs.NAME.Disabled turns one off"),
    "healthMonitor": idle(OBJECT, "it does not stop for want of memory or connections"),
    "httpWorker": idle(OBJECT, "it runs Python apps only"),
    "managedDependencies": idle(OBJECT, "that is for PowerShell"),
    "managedDependency": idle(OBJECT, "that is for PowerShell"),
    "retry": idle(OBJECT, "retry policies belong to functions (@app.retry)"),
    "sendCanceledInvocationsToWorker": idle(FLAG, "an invocation is never cancelled before it begins"),
    "singleton": idle(OBJECT, ONE_HOST),
    "watchDirectories": idle(TEXTS, "--reload watches every Python file of the app"),
    "watchFiles": idle(TEXTS, "--reload watches every Python file of the app"),
}
