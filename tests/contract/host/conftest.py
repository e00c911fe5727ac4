from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.host.harness import APPS, Host


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Hosts that a test starts itself; whatever still runs at its end is killed."""
    started: list[Host] = []
    yield started
    for host in started:
        host.kill()


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host that runs the patterns app for all tests of a module."""
    host = Host(APPS / "patterns", tmp_path_factory.mktemp("patterns") / "state").start()
    yield host
    host.kill()


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host that runs the app of HTTP doors for all tests of a module."""
    host = Host(APPS / "doors", tmp_path_factory.mktemp("doors") / "state").start()
    yield host
    host.kill()
