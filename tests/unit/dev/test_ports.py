from __future__ import annotations

import socket
import threading

import pytest

from local.dev.errors import DevError
from local.dev.ports import check_ports, is_free, spare_port


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def test_a_free_port_is_free(taken):
    port = taken.getsockname()[1]
    assert not is_free(port)
    taken.close()
    assert is_free(port)


def test_a_taken_port_is_named_with_its_option(taken):
    port = taken.getsockname()[1]
    with pytest.raises(DevError, match=f"Port {port} is taken.*--tables-port"):
        check_ports({"--tables-port": port}, patience=0)


def test_a_port_that_is_just_becoming_free_is_waited_for(taken):
    timer = threading.Timer(0.3, taken.close)
    timer.start()
    check_ports({"--port": taken.getsockname()[1]})
    timer.join()


def test_a_port_with_connections_of_yesterday_is_free(taken):
    port = taken.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = taken.accept()
        accepted.close()  # the side that closes first is the one in TIME_WAIT
    taken.close()
    assert is_free(port)


def test_a_port_that_nobody_has_to_know_gives_way():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        other = spare_port(wanted)
        assert other != wanted
        assert is_free(other)
    assert spare_port(wanted) == wanted
    assert spare_port(wanted, {wanted}) != wanted
