"""host.json of the app as `func start` reads it, and app settings; what has no effect here is warned about."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.host import json_file
from local.host.json_file import SettingsError
from local.host.known_settings import HOST_JSON, Known, Section
from local.host.local_settings import load_host_section, load_local_values
from local.host.setting_kinds import OBJECT, TIMESPAN, Kind, whole

__all__ = [
    "HostSettings", "SettingsError", "expand", "is_disabled", "load_host_section", "load_host_settings",
    "load_local_values", "number", "setting", "timespan",
]  # fmt: skip

PERCENT = re.compile(r"%([^%\s]+)%")


@dataclass
class HostSettings:
    """What the host reads of host.json, expanded, with the real host's defaults. `function_timeout` is in seconds."""

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


FIELDS = {
    "extensions.http.routePrefix": "route_prefix",
    "extensions.http.customHeaders": "custom_headers",
    "extensions.durableTask.hubName": "hub_name",
    "extensions.durableTask.storageProvider.connectionStringName": "connection",
    "extensions.durableTask.storageProvider.connectionName": "connection",
    "extensions.durableTask.defaultVersion": "default_version",
    "extensions.durableTask.versionMatchStrategy": "version_match",
    "extensions.durableTask.versionFailureStrategy": "version_failure",
    "extensions.durableTask.maxConcurrentActivityFunctions": "max_activities",
    "extensions.durableTask.maxConcurrentOrchestratorFunctions": "max_orchestrators",
    "extensions.durableTask.maxEntityOperationBatchSize": "max_entity_batch",
}
"""Where in HostSettings a setting is kept; of two for one field, the last counts."""
QUEUES = "extensions.queues."


def load_host_settings(app: Path) -> HostSettings:
    """host.json. Raises SettingsError when it is missing, no JSON, wrongly typed, or names a setting not there."""
    path = app / "host.json"
    if not path.exists():
        raise SettingsError(f"no host.json in {app}: is that the folder of a function app?")
    content = json_file.read(path)
    if content.get("version") != "2.0":
        raise SettingsError(f'{path}: version must be "2.0".')
    found = _Reader(path)
    found.walk(content, HOST_JSON, "")
    many = 10 * (os.cpu_count() or 1)
    settings = HostSettings(max_activities=many, max_orchestrators=many, warnings=found.warnings)
    for name, attribute in FIELDS.items():
        if name in found.values:
            setattr(settings, attribute, found.values[name])
    settings.route_prefix = settings.route_prefix.strip("/")
    settings.queues = {name[len(QUEUES) :]: v for name, v in found.values.items() if name.startswith(QUEUES)}
    try:
        settings.hub_name = expand(settings.hub_name)
    except SettingsError as error:
        raise SettingsError(f"{path}: extensions.durableTask.hubName: {error}") from error
    timeout = found.values.get("functionTimeout", "-1")
    settings.function_timeout = None if timeout == "-1" else timespan(timeout).total_seconds()
    return settings


class _Reader:
    """Collects the values of settings that count on this host, by full name, and warnings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = {}
        self.warnings: list[str] = []

    def walk(self, section: dict[str, Any], known: Section, prefix: str) -> None:
        names = {name.lower(): name for name in known}
        for given, value in section.items():
            name = names.get(given.lower())
            if name is None:
                self._unknown(prefix, given, known)
                continue
            what = known[name]
            if isinstance(what, Known):
                self._leaf(prefix + name, value, what)
            elif value is not None:
                self.walk(self._checked(prefix + name, value, OBJECT), what, f"{prefix}{name}.")

    def _leaf(self, name: str, value: Any, known: Known) -> None:
        if value is None and (known.idle or known.accepted):
            return
        value = self._checked(name, value, known.kind)
        if known.idle:
            if value != known.same:
                self._warn(f"'{name}' is known, but has no effect on this host: {known.idle}")
        elif not known.accepted:
            self.values[name] = value

    def _checked(self, name: str, value: Any, kind: Kind) -> Any:
        try:
            return kind.read(value)
        except ValueError as error:
            given = json.dumps(value)
            shown = given if len(given) <= 60 else given[:60] + "…"
            raise SettingsError(f"{self._path}: {name} is {shown}; it must be {kind.wanted}.") from error

    def _unknown(self, prefix: str, given: str, known: Section) -> None:
        thing = "extension" if prefix == "extensions." else "setting"
        self._warn(f"unknown {thing} '{prefix}{given}'{_hint(prefix, given, known)}")

    def _warn(self, text: str) -> None:
        self.warnings.append(f"{self._path.name}: {text}")


def _hint(prefix: str, given: str, known: Section) -> str:
    """A name that may have been meant: a similar one in the same section, or the same one in another."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), lowered, 1)
    if close:
        return f" (did you mean '{prefix}{lowered[close[0]]}'?)"
    elsewhere = [name for name in _names(HOST_JSON) if name.rpartition(".")[2].lower() == given.lower()]
    return f" (did you mean '{elsewhere[0]}'?)" if len(elsewhere) == 1 else ""


def _names(section: Section, prefix: str = "") -> list[str]:
    """Full names of all settings and sections."""
    names = [prefix + name for name in section]
    for name, what in section.items():
        if isinstance(what, Mapping):
            names += _names(what, f"{prefix}{name}.")
    return names


def is_disabled(function: str) -> bool:
    """Does the setting AzureWebJobs.<function>.Disabled say so?"""
    value = setting(f"AzureWebJobs.{function}.Disabled") or setting(f"AzureWebJobs__{function}__Disabled")
    return (value or "").lower() in ("true", "1")


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


def number(name: str, default: int) -> int:
    """An app setting that is a whole number, 1 or more. Raises SettingsError."""
    text, kind = setting(name), whole(1)
    try:
        return default if text is None else int(kind.read(text))
    except ValueError as error:
        raise SettingsError(
            f"the setting {name} is '{text}'; it must be {kind.wanted}. Mend it in the environment or in the Values of "
            f"local.settings.json, or leave it out."
        ) from error


def timespan(text: str) -> dt.timedelta:
    """`[d.]hh:mm:ss[.fffffff]` as a duration. Raises SettingsError."""
    match = TIMESPAN.fullmatch(text.strip())
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
