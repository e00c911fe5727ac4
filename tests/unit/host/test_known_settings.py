"""Every known setting of host.json, one by one: wrong types, what counts here, what has no effect and is said to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.host import setting_kinds, settings
from local.host.known_settings import HOST_JSON, Known, Section
from local.host.settings import HostSettings, SettingsError, load_host_settings

PROJECT = Path(__file__).resolve().parents[3]
TEMPLATE = {
    "version": "2.0",
    "logging": {"applicationInsights": {"samplingSettings": {"isEnabled": True, "excludedTypes": "Request"}}},
    "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
}
RIGHT: dict[str, Any] = {
    setting_kinds.TEXT.wanted: "V2",
    setting_kinds.NAME.wanted: "x",
    setting_kinds.FLAG.wanted: True,
    setting_kinds.OBJECT.wanted: {"a": 1},
    setting_kinds.TEXTS.wanted: ["a"],
    setting_kinds.HEADERS.wanted: {"X-A": "b"},
    setting_kinds.SPAN.wanted: "1.02:03:04.5",
    setting_kinds.TIMEOUT.wanted: "00:00:01",
}
WRONG: dict[str, list[Any]] = {
    setting_kinds.TEXT.wanted: [5, True, [], {}],
    setting_kinds.NAME.wanted: ["", " ", 5],
    setting_kinds.FLAG.wanted: ["yes", 1, 0, [], {}],
    setting_kinds.OBJECT.wanted: [[], "x", 1, True],
    setting_kinds.TEXTS.wanted: ["a", {}, [1]],
    setting_kinds.HEADERS.wanted: [[], "x", {"a b": "x"}, {"": "x"}, {"X-A": 1}, {"X-A": "x\r\ny"}],
    setting_kinds.SPAN.wanted: [5, "5", "soon", "24:00:00", "00:60:00", "00:00:60", "-00:01:00", "-1", True, [], {}],
    setting_kinds.TIMEOUT.wanted: [5, -1, "5", "soon", "24:00:00", "00:00:00", "-00:01:00", "999999999.00:00:00"],
}


def leaves(section: Section, prefix: str = "") -> Iterator[tuple[str, Known]]:
    for name, what in section.items():
        if isinstance(what, Mapping):
            yield from leaves(what, f"{prefix}{name}.")
        else:
            yield prefix + name, what


def sections(section: Section, prefix: str = "") -> Iterator[str]:
    for name, what in section.items():
        if isinstance(what, Mapping):
            yield prefix + name
            yield from sections(what, f"{prefix}{name}.")


LEAVES = [(name, known) for name, known in leaves(HOST_JSON) if name != "version"]


def right(known: Known) -> Any:
    wanted = known.kind.wanted
    if known.same is not None and isinstance(known.same, bool):
        return not known.same
    if wanted.startswith("a whole number"):
        return 3
    return json.loads(wanted.split("one of ")[1].split(",")[0]) if "one of" in wanted else RIGHT[wanted]


def wrong(known: Known) -> list[Any]:
    wanted = known.kind.wanted
    if wanted.startswith("a whole number"):
        return ["x", "", True, 1.5, [], {}, -2, *([33] if "32" in wanted else [])]
    return ["nothing like it", 7, True, [], {}] if "one of" in wanted else WRONG[wanted]


def load(folder: Path, name: str, value: Any) -> HostSettings:
    content: Any = value
    for part in reversed(name.split(".")):
        content = {part: content}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **content}))
    return load_host_settings(folder)


@pytest.mark.parametrize(("name", "known"), LEAVES, ids=[name for name, _ in LEAVES])
def test_a_setting_of_the_wrong_type_is_told_in_one_line(tmp_path: Path, name: str, known: Known) -> None:
    for value in wrong(known):
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, name, value)
        told = str(caught.value)
        assert told.startswith(f"{tmp_path / 'host.json'}: {name} is ")
        assert told.endswith(f"; it must be {known.kind.wanted}.")
        assert "\n" not in told


@pytest.mark.parametrize("name", list(sections(HOST_JSON)))
def test_a_section_that_is_no_object_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    for value in ([], "x", 5, False):
        with pytest.raises(SettingsError, match=rf"host\.json: {re.escape(name)} is .*; it must be an object"):
            load(tmp_path, name, value)
    assert load(tmp_path, name, None).warnings == []


@pytest.mark.parametrize(("name", "known"), LEAVES, ids=[name for name, _ in LEAVES])
def test_a_setting_counts_or_is_said_to_have_no_effect(tmp_path: Path, name: str, known: Known) -> None:
    found = load(tmp_path, name, right(known))
    if known.idle:
        assert found.warnings == [f"host.json: '{name}' is known, but has no effect on this host: {known.idle}"]
    else:
        assert found.warnings == []
    read = name in settings.FIELDS or name == "functionTimeout" or name.removeprefix(settings.QUEUES) in found.queues
    assert read is not bool(known.idle or known.accepted)
    if known.same is not None:
        assert load(tmp_path, name, known.same).warnings == []
    if known.idle or known.accepted:
        assert load(tmp_path, name, None).warnings == []
    else:
        with pytest.raises(SettingsError, match="is null; it must be "):
            load(tmp_path, name, None)


@pytest.mark.parametrize(
    "content", [TEMPLATE, json.loads((PROJECT / "host.json").read_text())], ids=["func init", "our own"]
)
def test_usual_files_are_read_without_a_word(tmp_path: Path, monkeypatch, content: object) -> None:
    monkeypatch.setenv("TASKHUB_NAME", "Hub")
    (tmp_path / "host.json").write_text(json.dumps(content))
    assert load_host_settings(tmp_path).warnings == []


def test_what_texts_and_numbers_may_stand_for(tmp_path: Path) -> None:
    durable = {"maxConcurrentActivityFunctions": "7", "versionMatchStrategy": "strict", "versionFailureStrategy": 1}
    content = {"functionTimeout": "-1", "extensions": {"durableTask": durable, "queues": {"messageEncoding": "NONE"}}}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", **content}))
    found = load_host_settings(tmp_path)
    assert (found.max_activities, found.version_match, found.version_failure) == (7, "Strict", "Fail")
    assert (found.queues, found.function_timeout) == ({"messageEncoding": "none"}, None)
