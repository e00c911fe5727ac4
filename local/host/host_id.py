"""Which host this is, to apps that share something with others: kept in the state folder, whatever the port.

The setting is Azure's, of 32 lowercase letters, digits and dashes at most:
https://learn.microsoft.com/azure/azure-functions/storage-considerations#host-id-considerations
"""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from local.host.statelock import unusable

SETTING = "AzureFunctionsWebHost__hostid"
FILE = "host-id"
FORM = re.compile("[a-z0-9-]{1,32}")


def host_id(folder: Path) -> str:
    """The id of the folder's host, made when it is first asked for. Raises StateError."""
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
        return known if FORM.fullmatch(known) else _made(path)
    except OSError as error:
        raise unusable(folder, FILE, error) from error


def _made(path: Path) -> str:
    made = uuid.uuid4().hex
    # A crash leaves the whole of it or nothing.
    new = path.with_name(f"{FILE}.{os.getpid()}")
    new.write_text(made, encoding="ascii")
    new.replace(path)
    return made
