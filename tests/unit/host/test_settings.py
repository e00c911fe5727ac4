from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from local.host.options import parse
from local.host.settings import (
    SettingsError,
    expand,
    load_host_section,
    load_host_settings,
    load_local_values,
    number,
    setting,
    timespan,
)


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


def test_names_are_found_in_any_letter_case_as_by_the_real_host(tmp_path: Path) -> None:
    extensions = {"DurableTask": {"hubname": "x"}, "HTTP": {"ROUTEPREFIX": "v2"}}
    settings = load_host_settings(write(tmp_path, "host.json", {"version": "2.0", "Extensions": extensions}))
    assert (settings.hub_name, settings.route_prefix, settings.warnings) == ("x", "v2", [])


def test_what_nobody_knows_is_warned_about(tmp_path: Path) -> None:
    extensions = {
        "durableTask": {"hubnames": "x", "storageProvider": {"partitions": 1}, "tracing": {"loud": True}},
        "http": {"route": 1, "batchSize": 2},
        "queues": {"batchsizes": 1},
        "blobz": {},
        "qqqq": {},
    }
    content = {"version": "2.0", "surprise": 1, "extensions": extensions, "durableTask": {}, "logging": {"level": 1}}
    assert load_host_settings(write(tmp_path, "host.json", content)).warnings == [
        "host.json: unknown setting 'surprise'",
        "host.json: unknown setting 'extensions.durableTask.hubnames' (did you mean 'extensions.durableTask.hubName'?)",
        (
            "host.json: unknown setting 'extensions.durableTask.storageProvider.partitions' "
            "(did you mean 'extensions.durableTask.storageProvider.partitionCount'?)"
        ),
        "host.json: unknown setting 'extensions.durableTask.tracing.loud'",
        "host.json: unknown setting 'extensions.http.route' (did you mean 'extensions.http.routePrefix'?)",
        "host.json: unknown setting 'extensions.http.batchSize' (did you mean 'extensions.queues.batchSize'?)",
        "host.json: unknown setting 'extensions.queues.batchsizes' (did you mean 'extensions.queues.batchSize'?)",
        "host.json: unknown extension 'extensions.blobz' (did you mean 'extensions.blobs'?)",
        "host.json: unknown extension 'extensions.qqqq'",
        "host.json: unknown setting 'durableTask' (did you mean 'extensions.durableTask'?)",
        "host.json: unknown setting 'logging.level' (did you mean 'logging.logLevel'?)",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[]", "JSON object"),
        ({"version": "1.0"}, 'must be "2.0"'),
        ({"version": "2.0", "extensions": {"durableTask": {"hubName": "%NOT_THERE%"}}}, "NOT_THERE"),
        ({"version": "2.0", "functionTimeout": "soon"}, "time span"),
        ({"version": "2.0", "extensions": {"durableTask": {"hubName": "%NOT_THERE%"}}}, r"durableTask\.hubName: '%NOT"),
    ],
)
def test_a_host_json_that_cannot_be_used(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_host_settings(write(tmp_path, "host.json", content))


def test_no_host_json(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no host\.json"):
        load_host_settings(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '{"version": "2.0" /* the only one */, // ends here\n "extensions": {"http": {"routePrefix": "a//b",},}}',
        '{"version": "2.0", "extensions": {"http": {"routePrefix": "a//b"} /*,*/ }, /* } */ }',
    ],
)
def test_comments_and_trailing_commas_are_allowed_as_in_core_tools(tmp_path: Path, text: str) -> None:
    assert load_host_settings(write(tmp_path, "host.json", text)).route_prefix == "a//b"


def test_an_error_after_a_comment_is_told_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"host\.json is no JSON: .*line 3 column 2"):
        load_host_settings(write(tmp_path, "host.json", "{ // one\n/* two */\n x}"))


@pytest.mark.parametrize("name", ["host.json", "local.settings.json"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    load = load_host_settings if name == "host.json" else load_local_values
    with pytest.raises(SettingsError, match=rf"{name} cannot be read: Is a directory"):
        load(tmp_path)


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


def test_values_are_texts_as_core_tools_makes_them(tmp_path: Path, monkeypatch) -> None:
    for name in ("FLAG", "COUNT", "PRICE", "NOTHING", "ConnectionStrings:db", "ConnectionStrings:plain"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    text = """{"Values": {"FLAG": true, "COUNT": 7, "PRICE": 1.10, "NOTHING": null},
        "ConnectionStrings": {"db": {"ConnectionString": "a=b"}, "plain": "c", "none": null}, "Host": null}"""
    values, warnings = load_local_values(write(tmp_path, "local.settings.json", text))
    assert (values, warnings) == ({"FLAG": "true", "COUNT": "7", "PRICE": "1.10"}, [])
    assert (setting("ConnectionStrings:db"), setting("ConnectionStrings:plain")) == ("a=b", "c")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"Values": []}, r"Values is \[\]; it must be an object"),
        ({"Values": "x"}, "Values is 'x'; it must be an object"),
        ({"ConnectionStrings": ["x"]}, "ConnectionStrings is .*; it must be an object"),
        ({"IsEncrypted": "maybe"}, "IsEncrypted is 'maybe'; it must be true or false"),
        ({"Values": {"A=B": "x"}}, "'A=B' cannot be put into the environment"),
        ({"Values": {"": "x"}}, "'' cannot be put into the environment"),
        ({"Values": {"NUL_INSIDE": "a\0b"}}, "'NUL_INSIDE' cannot be put into the environment"),
        ({"Values": {"HALF_A_PAIR": "\ud800"}}, "'HALF_A_PAIR' cannot be put into the environment"),
    ],
)
def test_a_local_settings_json_that_cannot_be_used(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(SettingsError, match=rf"local\.settings\.json: {told}"):
        load_local_values(write(tmp_path, "local.settings.json", content))


def test_a_file_that_says_by_a_text_that_it_is_not_encrypted(tmp_path: Path) -> None:
    assert load_local_values(write(tmp_path, "local.settings.json", {"IsEncrypted": "false"})) == ({}, [])


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"LocalHttpPort": 0}, "Host.LocalHttpPort is '0'; it must be a whole number from 1 to 65535"),
        ({"LocalHttpPort": 65536}, "Host.LocalHttpPort is '65536'; it must be a whole number from 1 to 65535"),
        ({"LocalHttpPort": "x"}, "Host.LocalHttpPort is 'x'; it must be a whole number from 1 to 65535"),
        ({"LocalHttpPort": True}, "Host.LocalHttpPort is True; it must be a whole number from 1 to 65535"),
        ({"CORS": ["*"]}, "Host.CORS is .*; it must be a text"),
        ({"CORSCredentials": 1}, "Host.CORSCredentials is '1'; it must be true or false"),
        ([], "Host is .*; it must be an object"),
    ],
)
def test_a_host_section_that_cannot_be_used(tmp_path: Path, section: object, told: str) -> None:
    write(tmp_path, "local.settings.json", {"Host": section})
    with pytest.raises(SettingsError, match=rf"local\.settings\.json: {told}"):
        parse(["start", "--app", str(tmp_path)])


@pytest.mark.parametrize(("port", "expected"), [(7200, 7200), ("7200", 7200), (None, 7071)])
def test_the_port_of_local_settings(tmp_path: Path, port: object, expected: int) -> None:
    write(tmp_path, "local.settings.json", {"Host": {"LocalHttpPort": port, "CORSCredentials": "true"}})
    assert parse(["start", "--app", str(tmp_path)]).port == expected
    assert load_host_section(tmp_path)["CORSCredentials"] is True


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "9999999999"])
def test_a_number_that_is_none(monkeypatch, text: str) -> None:
    monkeypatch.setenv("COUNT", text)
    with pytest.raises(SettingsError, match=f"the setting COUNT is '{text}'; it must be a whole number, 1 or more"):
        number("COUNT", 32)
    monkeypatch.setenv("COUNT", "4")
    assert (number("COUNT", 32), number("COUNT_OF_NOTHING", 32)) == (4, 32)


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
