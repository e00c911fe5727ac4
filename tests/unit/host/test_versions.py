"""defaultVersion, versionMatchStrategy and versionFailureStrategy, turn by turn."""

from __future__ import annotations

import azure.durable_functions as df
import pytest

from local.host import versions
from local.host.commands import Status
from local.host.settings import HostSettings
from tests.unit.host.orchestrators import app

family = df.DFApp()
MISMATCH = "VersionMismatch: Orchestration version did not comply with Worker Versioning"


@family.orchestration_trigger(context_name="context")
def elder(context):
    try:
        yield context.call_sub_orchestrator("younger", version=context.get_input())
    except Exception as error:
        return str(error)
    return "the child ran"


@family.orchestration_trigger(context_name="context")
def younger(context):
    return "never"


@pytest.mark.parametrize(
    ("version", "current", "runs"),
    [
        (None, None, True),
        ("", None, True),
        (" ", None, True),
        ("1.0", None, False),
        ("1.0", "", False),
        (None, "1.0", True),
        ("1.9", "1.10", True),
        ("1.10", "1.9", False),
        ("1.0", "1.0.0", True),
        ("1.0.0", "1.0", False),
        ("1.2.3.4", "1.2.3.5", True),
        # Not two to four numbers: compared as texts.
        ("10", "9", True),
        ("9", "10", False),
        ("beta", "ALPHA", False),
        ("alpha", "BETA", True),
        ("v1", "V1", True),
        ("1.0-rc", "1.0", False),
    ],
)
def test_versions_are_compared_as_the_real_host_does(version: str | None, current: str | None, runs: bool) -> None:
    assert versions.admits(version, current, "CurrentOrOlder") is runs


def test_one_that_is_refused_stays_as_it_is_and_the_log_says_why(worlds) -> None:
    world = worlds(app, HostSettings(default_version="2.0"))
    world.start("chain", value=1, version="3.0")
    world.settle()
    world.client.terminate("i", "no")
    world.settle()
    assert world.get().status is Status.PENDING
    told = [line for line in world.log.said if line.startswith("ERROR: ")]
    assert len(told) == 1
    assert "orchestration 'chain' (i) stays Pending" in told[0]
    assert "its version is '3.0', and host.json's defaultVersion is '2.0' (versionMatchStrategy Curr" in told[0]


@pytest.mark.parametrize("strategy", ["CurrentOrOlder", "Strict"])
def test_one_that_is_refused_fails_if_the_app_says_so(worlds, strategy: str) -> None:
    world = worlds(app, HostSettings(default_version="2.0", version_match=strategy, version_failure="Fail"))
    world.start("chain", value=1, version="3.0")
    world.start("chain", "fits", value=1)
    world.settle()
    assert (world.get().status, world.get().output) == (Status.FAILED, MISMATCH)
    assert world.kinds() == [12, 0, 1, 13]
    assert world.get("fits").status is Status.COMPLETED
    assert any("orchestration 'chain' (i) fails" in line for line in world.log.said)


def test_the_parent_of_a_child_that_fails_for_its_version_is_told(worlds) -> None:
    world = worlds(family, HostSettings(default_version="2.0", version_failure="Fail"))
    world.start("elder", value="3.0")
    world.settle()
    assert world.get().status is Status.COMPLETED
    assert world.output().startswith(MISMATCH)
    world.start("elder", "again", value="1.0")
    world.settle()
    assert world.output("again") == "the child ran"


def test_a_running_one_is_put_off_by_an_older_host_and_taken_up_by_a_newer_one(worlds) -> None:
    world = worlds(app, HostSettings(default_version="2.0"))
    world.start("chain", value=1)
    world.turns()
    assert world.get().status is Status.RUNNING
    world.close()
    older = worlds(app, HostSettings(default_version="1.0"))
    older.settle()
    assert older.get().status is Status.RUNNING
    assert older.services.store.tasks() == []
    assert any("orchestration 'chain' (i) stays Running" in line for line in older.log.said)
    older.close()
    newer = worlds(app, HostSettings(default_version="2.1"))
    newer.settle()
    assert newer.output() == 1


def test_a_running_one_fails_on_an_older_host_if_the_app_says_so(worlds) -> None:
    world = worlds(app, HostSettings(default_version="2.0"))
    world.start("chain", value=1)
    world.turns()
    world.close()
    older = worlds(app, HostSettings(default_version="1.0", version_failure="Fail"))
    older.settle()
    assert (older.get().status, older.get().output) == (Status.FAILED, MISMATCH)
    numbers = [event["EventId"] for event in older.events()]
    assert numbers.count(-1) == len(numbers) - 2
    assert older.kinds()[-2:] == [1, 13]


@pytest.mark.parametrize("failure", ["Reject", "Fail"])
def test_a_continued_one_is_checked_as_well(worlds, failure: str) -> None:
    world = worlds(app, HostSettings(default_version="2.0"))
    world.start("counts")
    world.turns()
    world.workers.run()
    world.engine.step()
    assert world.get().continued
    world.close()
    older = worlds(app, HostSettings(default_version="1.0", version_failure=failure))
    older.settle()
    expected = (Status.FAILED, MISMATCH) if failure == "Fail" else (Status.RUNNING, None)
    assert (older.get().status, older.get().output) == expected
