"""host.json and local.settings.json of the app, as `func start` reads them; what nobody knows is warned about."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PERCENT = re.compile(r"%([^%\s]+)%")
TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$")
KNOWN_TOP = {
    "$schema", "version", "aggregator", "applicationInsights", "concurrency", "customHandler", "extensionBundle",
    "extensions", "functions", "functionTimeout", "healthMonitor", "http", "logging", "managedDependency", "queues",
    "retry", "singleton", "telemetryMode", "watchDirectories", "watchFiles",
}  # fmt: skip
KNOWN_HTTP = {
    "routePrefix", "maxOutstandingRequests", "maxConcurrentRequests", "dynamicThrottlesEnabled", "hsts",
    "customHeaders",
}  # fmt: skip
KNOWN_DURABLE = {
    "hubName", "storageProvider", "tracing", "notifications", "maxConcurrentActivityFunctions", "httpSettings",
    "maxConcurrentOrchestratorFunctions", "maxConcurrentEntityFunctions", "maxEntityOperationBatchSize",
    "entityMessageReorderWindowInMinutes", "extendedSessionsEnabled", "extendedSessionIdleTimeoutInSeconds",
    "maxOrchestrationActions", "maxGrpcMessageSizeInBytes", "grpcHttpClientTimeout",
    "overridableExistingInstanceStates",
    "localRpcEndpointEnabled", "useAppLease", "appLeaseOptions", "useGracefulShutdown",
    "rollbackEntityOperationsOnExceptions",
    "storeInputsInOrchestrationHistory", "throwStatusExceptionsOnRaiseEvent", "overrideInstanceStates",
    "defaultVersion", "versionMatchStrategy", "versionFailureStrategy", "entitySettings", "logReplayEvents",
    "traceInputsAndOutputs", "traceReplayEvents", "maximumOrchestratorInputLength",
}  # fmt: skip
KNOWN_LOCAL = {"IsEncrypted", "Values", "Host", "ConnectionStrings", "profiles"}


class SettingsError(Exception):
    """A settings file cannot be used; the message says which, where and why."""


@dataclass
class HostSettings:
    """What the host reads of host.json, expanded, with the real host's defaults."""

    route_prefix: str = "api"
    hub_name: str = "TestHubName"
    connection: str = "Storage"
    default_version: str | None = None
    version_match: str = "CurrentOrOlder"
    version_failure: str = "Reject"
    max_activities: int = 10
    max_orchestrators: int = 10
    max_entity_batch: int = 5000
    function_timeout: float | None = None
    queues: dict[str, Any] = field(default_factory=dict)
    custom_headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def load_local_values(app: Path) -> tuple[dict[str, str], list[str]]:
    """Values of local.settings.json, put into the environment where that does not already say otherwise.

    Returns the values in force and warnings.
    """
    path = app / "local.settings.json"
    if not path.exists():
        return {}, []
    content = _read(path)
    if content.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted. Run `func settings decrypt` first.")
    warnings = [f"{path.name}: unknown setting '{key}'" for key in content if key not in KNOWN_LOCAL]
    values = content.get("Values") or {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: Values must be an object of texts.")
    for key, value in values.items():
        if isinstance(value, (dict, list)):
            warnings.append(f"{path.name}: the value of '{key}' is not a text and is left out")
        elif value is not None:
            os.environ.setdefault(key, str(value))
    for key, value in (content.get("ConnectionStrings") or {}).items():
        text = value.get("ConnectionString", "") if isinstance(value, dict) else str(value)
        os.environ.setdefault(f"ConnectionStrings:{key}", text)
    return {k: os.environ[k] for k in values if k in os.environ}, warnings


def load_host_section(app: Path) -> dict[str, object]:
    """The Host section of local.settings.json: LocalHttpPort, CORS, CORSCredentials."""
    path = app / "local.settings.json"
    section = _read(path).get("Host") if path.exists() else None
    return section if isinstance(section, dict) else {}


def is_disabled(function: str) -> bool:
    """Does the setting AzureWebJobs.<function>.Disabled say so?"""
    value = setting(f"AzureWebJobs.{function}.Disabled") or setting(f"AzureWebJobs__{function}__Disabled")
    return (value or "").lower() in ("true", "1")


def load_host_settings(app: Path) -> HostSettings:
    """host.json. Raises SettingsError when it is missing, no JSON, or names a setting that is not there."""
    path = app / "host.json"
    if not path.exists():
        raise SettingsError(f"no host.json in {app}: is that the folder of a function app?")
    content = _read(path)
    if content.get("version") != "2.0":
        raise SettingsError(f'{path}: version must be "2.0".')
    settings = HostSettings(warnings=[f"host.json: unknown setting '{key}'" for key in content if key not in KNOWN_TOP])
    extensions = content.get("extensions") or {}
    _read_http(settings, extensions.get("http") or {})
    _read_durable(settings, extensions.get("durableTask") or {})
    settings.queues = extensions.get("queues") or {}
    timeout = content.get("functionTimeout")
    if timeout is not None and timeout != "-1":
        settings.function_timeout = timespan(timeout).total_seconds()
    return settings


def _read_http(settings: HostSettings, section: dict[str, Any]) -> None:
    _warn_unknown(settings, section, KNOWN_HTTP, "extensions.http")
    settings.route_prefix = str(section.get("routePrefix", settings.route_prefix)).strip("/")
    settings.custom_headers = {str(k): str(v) for k, v in (section.get("customHeaders") or {}).items()}


def _read_durable(settings: HostSettings, section: dict[str, Any]) -> None:
    _warn_unknown(settings, section, KNOWN_DURABLE, "extensions.durableTask")
    cores = os.cpu_count() or 1
    settings.hub_name = expand(str(section.get("hubName", settings.hub_name)))
    provider = section.get("storageProvider") or {}
    settings.connection = provider.get("connectionName") or provider.get("connectionStringName") or settings.connection
    settings.default_version = section.get("defaultVersion")
    settings.version_match = section.get("versionMatchStrategy", settings.version_match)
    settings.version_failure = section.get("versionFailureStrategy", settings.version_failure)
    settings.max_activities = int(section.get("maxConcurrentActivityFunctions", 10 * cores))
    settings.max_orchestrators = int(section.get("maxConcurrentOrchestratorFunctions", 10 * cores))
    settings.max_entity_batch = int(section.get("maxEntityOperationBatchSize", settings.max_entity_batch))


def _warn_unknown(settings: HostSettings, section: dict[str, Any], known: set[str], where: str) -> None:
    settings.warnings += [f"host.json: unknown setting '{where}.{key}'" for key in section if key not in known]


def expand(text: str) -> str:
    """`%NAME%` replaced by the setting of that name. Raises SettingsError for one that is not there."""

    def value(match: re.Match[str]) -> str:
        found = setting(match.group(1))
        if found is None:
            raise SettingsError(
                f"'{text}' names the setting {match.group(1)}, which is neither in the environment nor in the Values "
                f"of local.settings.json."
            )
        return found

    return PERCENT.sub(value, text)


def setting(name: str) -> str | None:
    """An app setting; a colon in its name may stand as two underscores, as in Azure."""
    return os.environ.get(name) or os.environ.get(name.replace(":", "__"))


def timespan(text: str) -> dt.timedelta:
    """`[d.]hh:mm:ss[.fffffff]` as a duration. Raises SettingsError."""
    match = TIMESPAN.match(text.strip())
    if match is None:
        raise SettingsError(f"'{text}' is no time span of the form [d.]hh:mm:ss")
    days, hours, minutes, seconds, fraction = match.groups()
    return dt.timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds or 0),
        microseconds=int(f"{fraction or '0':0<6}"[:6]),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object.")
    return content
