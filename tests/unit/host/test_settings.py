from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from local.host.options import parse
from local.host.settings import SettingsError, expand, load_host_settings, load_local_values, setting, timespan


def write(folder: Path, name: str, content: object) -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_what_host_json_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HUB", "Mine")
    durable = {"hubName": "%HUB%", "maxConcurrentActivityFunctions": 3, "maxEntityOperationBatchSize": 7}
    content = {"version": "2.0", "functionTimeout": "00:00:30", "extensions": {"durableTask": durable}}
    content["extensions"] |= {"http": {"routePrefix": "/v1/", "customHeaders": {"X": "y"}}, "queues": {"batchSize": 2}}
    settings = load_host_settings(write(tmp_path, "host.json", content))
    assert (settings.hub_name, settings.max_activities, settings.max_entity_batch) == ("Mine", 3, 7)
    assert (settings.route_prefix, settings.function_timeout, settings.queues) == ("v1", 30, {"batchSize": 2})
    assert settings.custom_headers == {"X": "y"}
    assert settings.warnings == []


def test_what_nobody_knows_is_warned_about(tmp_path: Path) -> None:
    content = {"version": "2.0", "surprise": 1, "extensions": {"durableTask": {"hubname": "x"}, "http": {"route": 1}}}
    warnings = load_host_settings(write(tmp_path, "host.json", content)).warnings
    assert [w.split("'")[1] for w in warnings] == [
        "surprise",
        "extensions.http.route",
        "extensions.durableTask.hubname",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[]", "JSON object"),
        ({"version": "1.0"}, 'must be "2.0"'),
        ({"version": "2.0", "extensions": {"durableTask": {"hubName": "%NOT_THERE%"}}}, "NOT_THERE"),
        ({"version": "2.0", "functionTimeout": "soon"}, "time span"),
    ],
)
def test_a_host_json_that_cannot_be_used(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_host_settings(write(tmp_path, "host.json", content))


def test_no_host_json(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no host\.json"):
        load_host_settings(tmp_path)


def test_values_go_into_the_environment_which_wins(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GIVEN", "environment")
    monkeypatch.delenv("NEW_VALUE", raising=False)
    content = {"Values": {"GIVEN": "file", "NEW_VALUE": "file", "ODD": {"a": 1}}, "Surprise": 1}
    values, warnings = load_local_values(write(tmp_path, "local.settings.json", content))
    assert values == {"GIVEN": "environment", "NEW_VALUE": "file"}
    assert [w.split("'")[1] for w in warnings] == ["Surprise", "ODD"]
    monkeypatch.delenv("NEW_VALUE")


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="func settings decrypt"):
        load_local_values(write(tmp_path, "local.settings.json", {"IsEncrypted": True, "Values": {}}))


def test_settings_with_colons(monkeypatch) -> None:
    monkeypatch.setenv("A__B", "x")
    assert setting("A:B") == "x"
    assert expand("%A:B%-%A__B%") == "x-x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:05", dt.timedelta(seconds=5)),
        ("01:30", dt.timedelta(minutes=90)),
        ("3.00:00:00", dt.timedelta(days=3)),
        ("00:00:00.5", dt.timedelta(milliseconds=500)),
    ],
)
def test_time_spans(text: str, expected: dt.timedelta) -> None:
    assert timespan(text) == expected


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_that_is_none(port: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["start", "--port", port])
    assert f"--port {port} is no port" in capsys.readouterr().err
