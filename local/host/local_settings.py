"""local.settings.json: the app settings of this machine, and how the host listens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from local.host import json_file
from local.host.json_file import SettingsError
from local.host.setting_kinds import FLAG, OBJECT, TEXT, Kind, whole

NAME = "local.settings.json"
KNOWN = {"IsEncrypted", "Values", "Host", "ConnectionStrings", "profiles"}
HOST = {"LocalHttpPort": whole(1, 65535), "CORS": TEXT, "CORSCredentials": FLAG}


def load_local_values(app: Path) -> tuple[dict[str, str], list[str]]:
    """Values of local.settings.json, put into the environment where that does not already say otherwise.

    Returns the values in force and warnings. Raises SettingsError.
    """
    path = app / NAME
    content = _content(path)
    if _checked(path, "IsEncrypted", content.get("IsEncrypted"), FLAG):
        raise SettingsError(f"{path} is encrypted. Run `func settings decrypt` first.")
    warnings = [f"{NAME}: unknown setting '{key}'" for key in content if key not in KNOWN]
    values = _checked(path, "Values", content.get("Values"), OBJECT) or {}
    connections = _checked(path, "ConnectionStrings", content.get("ConnectionStrings"), OBJECT) or {}
    named = {f"ConnectionStrings:{key}": _connection(value) for key, value in connections.items()}
    for key, value in (values | named).items():
        if isinstance(value, (dict, list)):
            warnings.append(f"{NAME}: the value of '{key}' is not a text and is left out")
        elif value is not None:
            _put(path, key, value)
    return {key: os.environ[key] for key in values if key in os.environ}, warnings


def load_host_section(app: Path) -> dict[str, Any]:
    """What the Host section says: LocalHttpPort (a number), CORS (a text), CORSCredentials. Raises SettingsError."""
    path = app / NAME
    section = _checked(path, "Host", _content(path).get("Host"), OBJECT) or {}
    read = {key: _checked(path, f"Host.{key}", section.get(key), kind) for key, kind in HOST.items()}
    return {key: value for key, value in read.items() if value is not None}


def _content(path: Path) -> dict[str, Any]:
    return json_file.read(path, numbers_as_text=True) if path.exists() else {}


def _checked(path: Path, name: str, value: Any, kind: Kind) -> Any:
    """A value as its kind reads it; null, as in Core Tools, stands for one that is not there."""
    if value is None:
        return None
    try:
        return kind.read(value)
    except ValueError as error:
        raise SettingsError(f"{path}: {name} is {value!r}; it must be {kind.wanted}.") from error


def _connection(value: Any) -> Any:
    return value.get("ConnectionString") if isinstance(value, dict) else value


def _put(path: Path, key: str, value: str | bool) -> None:
    text = value if isinstance(value, str) else str(value).lower()
    try:
        os.environ.setdefault(key, text)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: '{key}' cannot be put into the environment ({error}). Mend its text.") from error
