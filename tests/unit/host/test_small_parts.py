"""Rules that fit on one line each: versions, failures, answers of call_http, schedules, retries, queue messages."""

from __future__ import annotations

import asyncio
import datetime as dt
import warnings
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from multidict import CIMultiDict

from local.host import call_http, failures, jsontext, queue_output, sdk_patches, storage_queues, trigger_data, versions
from local.host.client_binding import ClientUrls
from local.host.clock import Clock
from local.host.functions import Binding, Function, FunctionDefinitionError, Registry, describe
from local.host.http_errors import ApiError, parsed_json
from local.host.invocation import RetryContext
from local.host.log import Log
from local.host.playback import UnknownNameError, entity_instance_id, reply_name
from local.host.retry_policy import Pauses, RetryPolicy
from local.host.settings import SettingsError
from local.host.timer_triggers import Schedule, ScheduleError


def function(kind: str = "timerTrigger", retry: dict[str, str] | None = None, **settings: Any) -> Function:
    trigger = Binding("x", kind, "IN", settings)
    return Function("f", lambda x: None, trigger, (trigger,), is_async=False, wants_context=False, retry=retry)


@pytest.mark.parametrize(
    ("version", "current", "strategy", "runs"),
    [
        (None, None, "CurrentOrOlder", True),
        ("1.9", "1.10", "CurrentOrOlder", True),
        ("1.10", "1.9", "CurrentOrOlder", False),
        ("2", "1.9", "None", True),
        ("1.9", "1.9", "Strict", True),
        ("1.8", "1.9", "Strict", False),
        (None, "1.9", "Strict", False),
    ],
)
def test_versions(version: str | None, current: str | None, strategy: str, runs: bool) -> None:
    assert versions.admits(version, current, strategy) is runs


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_activity_failure_as_the_real_host_words_it() -> None:
    reason, details = failures.activity_failure("boom", raised(ValueError("line one\nline two é")))
    assert reason == "Activity function 'boom' failed:  ValueError: line one\nline two é"
    parsed = jsontext.loads(details)
    assert list(parsed)[:5] == ["$type", "ClassName", "Message", "Data", "InnerException"]
    assert parsed["InnerException"]["RemoteMessage"] == "ValueError: line one\nline two é"
    assert "Stack: " in parsed["InnerException"]["Message"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('why\n\n$OutOfProcData$:{"isDone":false,"actions":[[]]}', True),
        ('a\nStack: b\n\n$OutOfProcData$:{"isDone":false}', False),
        ("why", False),
        ("why\n\n$OutOfProcData$:{bad", False),
    ],
)
def test_the_state_that_the_sdk_labels(text: str, found: bool) -> None:
    assert (failures.out_of_proc_state(Exception(text)) is not None) is found


def test_headers_of_call_http_as_dotnet_splits_them() -> None:
    headers = CIMultiDict(
        [
            ("Server", "BaseHTTP/0.6 Python/3"),
            ("X-One", "1"),
            ("X-Two", "a"),
            ("X-Two", "b"),
            ("Vary", "a, b"),
            ("Content-Type", "text/plain"),
            ("Last-Modified", "x"),
        ]
    )
    assert call_http._headers(headers) == {
        "Server": ["BaseHTTP/0.6", "Python/3"],
        "X-One": "1",
        "X-Two": ["a", "b"],
        "Vary": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{bad", 400, "Unexpected end while parsing unquoted property name. Path '', line 1, position 4."),
        (b"[1,", 500, "Unexpected end when reading token. Path ''."),
        (b"x", 400, "Unexpected character encountered while parsing value: x. Path '', line 0, position 0."),
        (b"\xff", 400, "The body is no UTF-8: invalid start byte."),
        (b"[" * 100_000, 400, "The JSON is nested too deeply."),
    ],
)
def test_bad_json_in_the_words_of_the_real_host(body: bytes, status: int, text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parsed_json(body)
    assert (caught.value.status, caught.value.exception) == (status, text)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 */5 * * * *", "2030-01-01T00:03:00", "2030-01-01T00:05:00"),
        ("*/5 * * * *", "2030-01-01T00:03:00", "2030-01-01T00:05:00"),
        ("0 0 9 * * MON-FRI", "2030-01-04T10:00:00", "2030-01-07T09:00:00"),
        ("00:30:00", "2030-01-01T00:03:00", "2030-01-01T00:33:00"),
        ("%EVERY%", "2030-01-01T00:03:00", "2030-01-01T01:00:00"),
    ],
)
def test_schedules(monkeypatch, schedule: str, after: str, expected: str) -> None:
    monkeypatch.setenv("EVERY", "0 0 * * * *")
    moment = dt.datetime.fromisoformat(after).replace(tzinfo=dt.timezone.utc)
    found = Schedule.of(function(schedule=schedule)).after(moment)
    assert found == dt.datetime.fromisoformat(expected).replace(tzinfo=dt.timezone.utc)


def test_a_schedule_in_a_time_zone_fires_once_over_the_change(monkeypatch) -> None:
    monkeypatch.setenv("WEBSITE_TIME_ZONE", "Europe/Berlin")
    schedule = Schedule.of(function(schedule="0 30 2 * * *"))
    first = schedule.after(dt.datetime(2030, 10, 26, 12, tzinfo=dt.timezone.utc))
    second = schedule.after(first)
    assert second - first == dt.timedelta(hours=25)


@pytest.mark.parametrize("schedule", ["nonsense", "0 0 99 * * *", "%NOT_THERE%"])
def test_a_schedule_that_is_none(schedule: str) -> None:
    with pytest.raises(ScheduleError, match="function f"):
        Schedule.of(function(schedule=schedule))


def test_retry_policies() -> None:
    fixed = {"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:00:05"}
    growing = {"strategy": "exponential_backoff", "max_retry_count": "-1", "minimum_interval": "00:00:01"}
    growing |= {"maximum_interval": "00:00:05"}
    assert [RetryPolicy.of(function(retry=fixed)).pause(n) for n in (1, 2)] == [5, 5]
    assert [RetryPolicy.of(function(retry=growing)).pause(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]
    assert RetryPolicy.of(function()) is None
    assert RetryPolicy.of(function("activityTrigger", retry=fixed)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_retry_count", "some"), ("max_retry_count", 1.5), ("delay_interval", "5"), ("maximum_interval", "never")],
)
def test_a_retry_policy_that_is_none(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=str(value)):
        RetryPolicy.of(function(retry={"strategy": "fixed_delay", field: value}))


@pytest.mark.parametrize(("fails", "attempts", "succeeds"), [(2, 3, True), (3, 3, False)])
async def test_a_function_is_retried_as_its_policy_says(fails: int, attempts: int, succeeds: bool) -> None:
    seen: list[RetryContext] = []

    async def call(retry: RetryContext) -> None:
        seen.append(retry)
        if len(seen) <= fails:
            raise ValueError

    policy = RetryPolicy(2, 0, 0, growing=False)
    (outcome,) = await asyncio.gather(policy.run(call, Pauses(Clock())), return_exceptions=True)
    assert (outcome is None) is succeeds
    assert [(r.retry_count, r.max_retry_count) for r in seen] == [(n, 2) for n in range(attempts)]


async def test_a_retry_waits_for_the_clock_that_stands_still() -> None:
    clock = Clock()
    clock.freeze(clock.micros())
    pauses = Pauses(clock)
    task = asyncio.ensure_future(pauses.wait(20))
    await asyncio.sleep(0)
    assert pauses.holds(task)
    due = pauses.next_due()
    assert due == clock.micros() + 20_000_000
    clock.freeze(due - 1)
    pauses.clock_moved()
    await asyncio.sleep(0)
    assert not task.done()
    clock.freeze(due)
    pauses.clock_moved()
    await asyncio.wait_for(task, 60)
    assert pauses.next_due() is None


def test_an_endless_policy_never_overflows() -> None:
    assert RetryPolicy(-1, 1.0, 5.0, growing=True).pause(5000) == 5.0


@pytest.mark.parametrize(
    ("value", "bodies"),
    [
        ("text", [b"text"]),
        (b"\x00\xff", [b"\x00\xff"]),
        (func.QueueMessage(body="m"), [b"m"]),
        (["a", func.QueueMessage(body="b")], [b"a", b"b"]),
        ([], []),
    ],
)
def test_messages_of_a_returned_value(value: object, bodies: list[bytes]) -> None:
    assert queue_output.messages_of(value) == bodies


def test_the_encoding_of_messages() -> None:
    assert storage_queues.decoded(storage_queues.encoded(b"\x00", "base64"), "base64") == b"\x00"
    assert storage_queues.decoded("not base 64!", "base64") == b"not base 64!"
    assert storage_queues.encoded("é".encode(), "none") == "é"


def test_a_connection_that_no_setting_names() -> None:
    with pytest.raises(storage_queues.ConnectionMissingError, match="no setting 'Nowhere'"):
        storage_queues.StorageQueues().queue("Nowhere", "q")


async def test_development_storage_is_azurite(monkeypatch) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    queues = storage_queues.StorageQueues()
    assert queues.queue("AzureWebJobsStorage", "q").url == "http://127.0.0.1:10001/devstoreaccount1/q"
    await queues.close()


@pytest.mark.parametrize("kind", sorted(trigger_data.MAKERS))
def test_every_kind_of_trigger_can_be_made_of_a_text(kind: str) -> None:
    if kind == "warmupTrigger":
        return
    assert trigger_data.from_text(kind, '{"id": "1"}') is not None


def test_the_client_binding_has_what_the_sdk_needs() -> None:
    urls = ClientUrls("Hub", "Storage", "key")
    binding = jsontext.loads(urls.binding("http://h", "http://rpc/durabletask/", {"taskHub": "Other"}))
    assert (binding["taskHubName"], binding["rpcBaseUrl"]) == ("Other", "http://rpc/durabletask/")
    status = "http://h/runtime/webhooks/durabletask/instances/INSTANCEID?taskHub=Other&connection=Storage&code=key"
    assert binding["managementUrls"]["statusQueryGetUri"] == status
    assert "/terminate?reason={text}&taskHub=" in binding["managementUrls"]["terminatePostUri"]
    assert "rewindPostUri" not in urls.created("http://h", "a b", None, None)
    assert "/instances/a+b?" in urls.created("http://h", "a b", None, None)["statusQueryGetUri"]


def test_entity_ids_and_replies_are_the_same_every_time() -> None:
    assert entity_instance_id("@Counter@Key@x") == "@counter@Key@x"
    assert reply_name("e", 1) == reply_name("e", 1) != reply_name("e", 2)


def test_names_that_are_not_there() -> None:
    registry = Registry()
    registry.require_activity("BuiltIn::HttpActivity")
    for require in (registry.require_activity, registry.require_orchestrator, registry.require_entity):
        with pytest.raises(UnknownNameError, match="The function 'x' doesn't exist, is disabled, or is not an"):
            require("x")


def test_a_function_without_a_trigger() -> None:
    source = SimpleNamespace(get_function_name=lambda: "f", get_trigger=lambda: None)
    with pytest.raises(FunctionDefinitionError, match="no trigger"):
        describe(source)


def test_the_fast_timestamp_parser_reads_as_the_one_it_replaces() -> None:
    from dateutil.parser import parse as slow

    fast = sdk_patches._fast(slow)
    for text in ("2030-01-01T00:00:00.123456Z", "2030-01-01T00:00:00Z", "2030-01-01 00:00:00.1234567+02:00"):
        assert fast(text) == slow(text)


def test_log_lines(capsys) -> None:
    log = Log()
    log.line("one")
    log.executed("f", "id", 0.0123)
    log.executed("g", "id", 1, "ValueError: x\n  at")
    log.flush()
    lines = [line.split("Z] ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert lines == [
        "one",
        "Executed 'Functions.f' (Succeeded, Id=id, Duration=12ms)",
        "Executed 'Functions.g' (Failed, Id=id, Duration=1000ms)",
        "ValueError: x",
    ]


def test_nothing_here_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sdk_patches.install()
        sdk_patches.install()
