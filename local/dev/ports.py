"""Whether the ports that the stack wants are free."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Container, Mapping

from local.dev.errors import DevError

# What a killed predecessor started needs a moment to end.
PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.1


def check_ports(ports: Mapping[str, int], patience: float = PATIENCE_SECONDS) -> None:
    """Raise DevError unless every port is free by then; `ports` maps the option that chooses a port to it."""
    deadline = time.monotonic() + patience
    for option, port in ports.items():
        while not is_free(port):
            if time.monotonic() > deadline:
                raise DevError(f"Port {port} is taken: end what uses it, or choose another one with {option}.")
            time.sleep(_POLL_SECONDS)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise DevError(f"Port {port} may not be used by this user: choose one from 1024 on.") from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def spare_port(wanted: int, taken: Container[int] = ()) -> int:
    """`wanted` if it is free and not in `taken`, else any port that is."""
    if wanted not in taken and is_free(wanted):
        return wanted
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
