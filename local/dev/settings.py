"""The environment that the host is started with."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from local.dev.errors import DevError
from local.services.outbox.authentication import connection_string as outbox_connection

# Published for every emulator: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_SETTINGS_FILES = ("local.settings.sample.json", "local.settings.json")
_SMS_FROM = "+18005551234"
_EMAIL_FROM = "Ringback <ringback@example.org>"
DIRECT_LINE_SECRET = "local-direct-line-secret"  # noqa: S105 known to everybody, for loopback only


def host_environment(
    root: Path,
    state: Path,
    port: int,
    tables_port: int,
    environ: Mapping[str, str] = os.environ,
    *,
    outbox_port: int,
    channel_port: int = 3978,
) -> dict[str, str]:
    """Settings files, then what the stack decides, then the developer's environment; later ones win.

    But for the tables, which are the stack's own, and the key that its links are signed with.
    """
    values: dict[str, str] = {}
    for name in _SETTINGS_FILES:
        values |= _values(root / name)
    values |= {"PUBLIC_URL": f"http://127.0.0.1:{port}", "BOT_ALLOW_ANONYMOUS": "true"}
    values |= {"BOT_TEAMS_SERVICE_URL": f"http://127.0.0.1:{channel_port}/teams/"}
    values |= environ
    return {
        **values,
        **_outbox(outbox_port, values),
        "TABLES_CONNECTION_STRING": connection_string(tables_port),
        "SIGNING_KEY": signing_key(state),
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }


def _outbox(port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Text messages and e-mail into the Outbox, unless the developer has named a service of their own."""
    if given.get("ACS_CONNECTION_STRING") or given.get("ACS_ENDPOINT"):
        return {}
    found = {"ACS_CONNECTION_STRING": outbox_connection(port), "SMS_FROM": given.get("SMS_FROM") or _SMS_FROM}
    if not given.get("SMTP_HOST"):
        found["EMAIL_FROM"] = given.get("EMAIL_FROM") or _EMAIL_FROM
    return found


def channel_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    return {"DIRECT_LINE_SECRET": DIRECT_LINE_SECRET, **environ}


def connection_string(port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/{_ACCOUNT};"
    )


def signing_key(state: Path) -> str:
    """The key of this state folder, made once: links given out before a restart stay valid."""
    file = state / "signing-key"
    if not file.exists():
        scratch = state / "signing-key.new"
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(32), "ascii")
        scratch.replace(file)
    return file.read_text("ascii")


def _values(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
        if content.get("IsEncrypted"):
            raise DevError(
                f"{file.name} is encrypted, which only Core Tools can read: `func settings decrypt` undoes it."
            )
        values = content.get("Values", {})
        return {str(name): _text(value) for name, value in values.items()}
    except (ValueError, AttributeError) as error:
        raise DevError(f'{file.name} is not a settings file ({error}): it should hold {{"Values": {{…}}}}.') from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
