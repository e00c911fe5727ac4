"""`dev.py up` as a process: signals, ports, and what it leaves behind."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from tests.e2e.directline import Chat, HttpError, text_of
from tests.e2e.stack import Stack


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_and_frees_the_ports(own_stack: Stack, number: signal.Signals):
    own_stack.start()
    own_stack.process.send_signal(number)
    own_stack.process.wait(timeout=20)
    assert_ports_free(own_stack)


def test_a_kill_of_dev_py_alone_leaves_nothing_behind(own_stack: Stack):
    own_stack.start()
    group = own_stack.process.pid
    own_stack.process.kill()
    own_stack.process.wait()
    end = time.monotonic() + 20
    while group_members(group):
        assert time.monotonic() < end, group_members(group)
        time.sleep(0.1)
    assert_ports_free(own_stack)


def test_a_taken_port_is_named_with_its_option(own_stack: Stack):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own_stack.channel_port))
        taken.listen()
        own_stack.start(wait=False)
        assert own_stack.process.wait(timeout=60) != 0
    log = own_stack.log.read_text()
    assert "--channel-port" in log
    assert "Traceback" not in log


def test_keys_are_asked_for_with_enable_auth(own_stack: Stack):
    own_stack.options = ("--enable-auth",)
    own_stack.start()
    with pytest.raises(HttpError) as caught:
        own_stack.api("GET", "operations")
    assert caught.value.status == 401
    key = re.search(r"every function: (\S+)", own_stack.log.read_text())
    assert key is not None, "the log must tell the key"
    assert own_stack.api("GET", "operations", **{"x-functions-key": key[1]})["operations"]
    text = text_of(Chat(own_stack.channel, "dl_keyless").ask("external-job", "One moment please"))
    with urllib.request.urlopen(text[text.index("(http") + 1 :].rstrip(")")) as page:
        assert page.status == 200
        assert "code=" not in page.url
    assert own_stack.api("GET", "health") == {"status": "healthy"}


def group_members(group: int) -> list[str]:
    listing = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def assert_ports_free(stack: Stack) -> None:
    for port in (stack.port, stack.channel_port, stack.tables_port, stack.outbox_port, stack.smtp_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
