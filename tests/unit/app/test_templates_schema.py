"""Schemas of the data: which are taken, what they refuse, and the samples made from them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.errors import RequestError, TooLargeError
from ringback.templates import budget
from ringback.templates.data_schema import DataSchema, check_schema
from ringback.templates.samples import samples
from tests.unit.app.templates_support import SCHEMA, checked, data


def schema(**properties) -> dict:
    return {"type": "object", "properties": properties}


BOMB = {
    "type": "object",
    "$defs": {
        "a0": {"type": "string"},
        **{f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 30)},
    },
    "properties": {"x": {"$ref": "#/$defs/a29"}},
}


@pytest.mark.parametrize(
    ("given_schema", "field"),
    [
        ({}, "schema.type"),
        ({"type": "array"}, "schema.type"),
        (schema(a={"type": "strin"}), "schema.properties.a.type"),
        (schema(a={"type": "string", "minLength": "x"}), "schema.properties.a.minLength"),
        (schema(a=1), "schema.properties.a"),
        ({**schema(), "required": "a"}, "schema.required"),
        ({**schema(), "$schema": "http://json-schema.org/draft-03/schema#"}, "schema.$schema"),
        (schema(a={"$ref": "https://example.org/s.json"}), "schema.properties.a.$ref"),
        (schema(a={"$ref": "file:///etc/passwd"}), "schema.properties.a.$ref"),
        (schema(a={"$ref": "#/$defs/none"}), "schema.properties.a.$ref"),
        (schema(a={"$ref": 7}), "schema.properties.a.$ref"),
        (schema(a={"$id": "https://example.org/x"}), "schema.properties.a.$id"),
        ({**schema(a={"$ref": "#/$defs/n"}), "$defs": {"n": schema(n={"$ref": "#/$defs/n"})}}, None),
        (schema(a={"allOf": [{"$ref": "#"}]}), None),
        (BOMB, "schema"),
        (schema(a={"type": "string", "pattern": "(a+)+$"}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": "(a|aa)*$"}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": "(aa?)*$"}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": ".*.*.*x"}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": "(x)\\1"}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": "("}), "schema.properties.a.pattern"),
        (schema(a={"type": "string", "pattern": "a" * 300}), "schema.properties.a.pattern"),
        ({"type": "object", "patternProperties": {"(a*)*": {}}}, "schema.pattern"),
    ],
)
def test_schemas_that_are_wrong_or_could_run_for_ever_are_refused(given_schema, field):
    started = time.monotonic()
    with pytest.raises(RequestError) as caught:
        check_schema(given_schema)
    if field is not None:
        assert caught.value.field == field
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": 7}, "data.name"),
        ({"items": [{"title": "x"}]}, "data.items.0.price"),
        ({"items": [{"title": "x", "price": "1"}]}, "data.items.0.price"),
        ({"url": "no address"}, "data.url"),
        ({"owner": {}}, "data.owner.first"),
        ({"count": -1}, "data.count"),
    ],
)
def test_data_that_does_not_fit_names_its_field(change, field):
    with pytest.raises(RequestError) as caught:
        DataSchema(SCHEMA).validate(data(**change))
    assert caught.value.field == field


def test_data_that_is_missing_names_its_field():
    with pytest.raises(RequestError, match="'name' is a required property") as caught:
        DataSchema(SCHEMA).validate({"items": []})
    assert caught.value.field == "data.name"


@pytest.mark.parametrize(
    "huge",
    [
        {"x": ["y"] * 6_000},
        {"x": "y" * 70_000},
        {"x": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]},
        ["not", "an", "object"],
        None,
    ],
)
def test_data_past_its_bounds_is_refused(huge):
    with pytest.raises(RequestError) as caught:
        DataSchema({"type": "object"}).validate(huge)
    assert caught.value.field == "data"


def test_unique_items_are_compared_in_linear_time():
    unique = DataSchema(schema(a={"type": "array", "uniqueItems": True}))
    mixed = [item for number in range(800) for item in (number, str(number), [number], {"n": number})]
    started = time.monotonic()
    unique.validate({"a": mixed})
    with pytest.raises(RequestError, match="the same"):
        unique.validate({"a": [*mixed, {"n": 7}]})
    assert time.monotonic() - started < 20


def test_patterns_match_only_short_strings():
    patterned = DataSchema(schema(a={"type": "string", "pattern": "^[A-Z]+$"}))
    assert patterned.validate({"a": "ABC"})
    with pytest.raises(RequestError, match="does not match"):
        patterned.validate({"a": "abc"})
    with pytest.raises(RequestError, match="over 1000 characters"):
        patterned.validate({"a": "A" * 2_000})


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date-time", "2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00"),
        ("date", "2026-03-01", "2026-02-30"),
        ("uri", "https://example.org/x", "example"),
        ("email", "ann@example.org", "ann"),
        ("time-zone", "Europe/Berlin", "../../etc/passwd"),
    ],
)
def test_formats_are_checked(form, good, bad):
    checker = DataSchema(schema(a={"type": "string", "format": form}))
    assert checker.validate({"a": good}) == {"a": good}
    with pytest.raises(RequestError) as caught:
        checker.validate({"a": bad})
    assert caught.value.field == "data.a"


def test_defaults_are_filled_in_everywhere():
    inner = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}
    deep = {
        **schema(a={"$ref": "#/$defs/inner"}, b={"type": "array", "items": inner}, c={**inner, "default": {}}),
        "$defs": {"inner": inner},
    }
    given_data = {"a": {}, "b": [{}, {"n": 1}]}
    assert DataSchema(deep).validate(given_data) == {"a": {"n": 3}, "b": [{"n": 3}, {"n": 1}], "c": {"n": 3}}
    assert given_data == {"a": {}, "b": [{}, {"n": 1}]}


def test_draft_7_is_taken_too():
    seven = {**schema(a={"type": "string"}), "$schema": "http://json-schema.org/draft-07/schema#"}
    checked(seven, en="x {{ a|default('-') }}")


def test_samples_fit_and_try_every_part():
    made = samples(DataSchema(SCHEMA))
    assert set(made[0]) == set(SCHEMA["properties"])
    assert {"name", "items"} in [set(sample) for sample in made]
    assert any(sample["items"] == [] for sample in made)
    assert any("owner" not in sample and "url" in sample for sample in made)
    assert any(sample.get("count") == 0 for sample in made)


def test_no_part_is_left_untried_because_there_are_many():
    many = {f"kind{n}": {"enum": ["a", "b", "c", "d"]} for n in range(40)}
    made_of = schema(items={"type": "array", "items": {"type": "string"}}, note={"type": "string"}, **many)
    made_of["required"] = ["items", *many]
    assert any(sample["items"] == [] and "note" not in sample for sample in samples(DataSchema(made_of)))


def test_a_schema_without_an_example_to_make_up_asks_for_one():
    coded = schema(code={"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"})
    coded["required"] = ["code"]
    with pytest.raises(RequestError, match="add one as `examples`") as caught:
        checked(coded, en="x {{ code }}")
    assert caught.value.field == "schema.examples"
    coded["properties"]["code"]["examples"] = ["ABC-1234"]
    assert checked(coded, en="x {{ code }}").example == {"code": "ABC-1234"}
    with pytest.raises(RequestError) as caught:
        checked({**coded, "examples": [{"code": "x"}]}, en="x {{ code }}")
    assert caught.value.field == "schema.examples.0"


_LEAF = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 2, "maximum": 9},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": ["string", "null"]},
        {"enum": ["a", 1, None]},
        {"type": "boolean", "default": True},
        {"type": "string", "format": "date-time"},
        {"type": "string", "minLength": 3, "maxLength": 5},
        {"const": "k"},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    ]
)
_SCHEMAS = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)),
        st.builds(
            lambda parts, count: {
                "type": "object",
                "properties": parts,
                "required": sorted(parts)[:count],
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
            st.integers(0, 3),
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_SCHEMAS)
def test_samples_can_be_made_of_any_ordinary_schema(inner):
    whole = {"type": "object", "properties": {"x": inner}, "required": ["x"]}
    check_schema(whole)
    checker = DataSchema(whole)
    made = samples(checker)
    assert made
    for sample in made:
        checker.validate(sample)


def test_a_schema_that_is_too_deep_is_refused():
    deep: dict = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(TooLargeError):
        check_schema(deep)


def test_time_is_looked_at_for_every_rule(monkeypatch):
    given = schema(a={"type": "array", "items": {"anyOf": [{"const": number} for number in range(10)]}})
    checker = DataSchema(given)
    checker.validate({"a": [9] * 10})
    clock = iter([0.0, *[0.1] * 20])
    monkeypatch.setattr(budget.time, "thread_time", lambda: next(clock, 9.0))
    with pytest.raises(TooLargeError, match="takes too long") as caught:
        checker.validate({"a": [9] * 10})
    assert caught.value.field == "data"


def test_names_that_patterns_would_take_for_ever_with_are_refused():
    checker = DataSchema({"type": "object", "patternProperties": {"x*x*y": {"type": "string"}}})
    checker.validate({"x" * 100: 1})
    with pytest.raises(TooLargeError, match="name of over 200"):
        checker.validate({"a": [{"x" * 1000: 1}]})
