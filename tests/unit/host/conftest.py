from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import azure.durable_functions as df
import pytest

from local.host.settings import HostSettings
from tests.unit.host.orchestrators import SWITCH, app
from tests.unit.host.world import World


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Opens Worlds on one state folder."""
    opened: list[World] = []

    def open_world(of: df.DFApp, settings: HostSettings | None = None) -> World:
        opened.append(World(tmp_path / "state", of, settings))
        return opened[-1]

    yield open_world
    for world in opened:
        world.close()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    """One World with the orchestrators of the tests."""
    SWITCH.update(kind="activity", fails=0)
    return worlds(app)
