from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.tables.errors import ServiceError
from local.services.tables.filter_syntax import And, Comparison, Literal, Not, Or, Property, parse_filter
from local.services.tables.filters import Bounds, Row, bounds_of, matches
from local.services.tables.store import Store, page_statement


def test_and_binds_tighter_than_or():
    a, b, c = (Comparison(Property(name), "eq", Literal("number", 1)) for name in "abc")

    assert parse_filter("a eq 1 or b eq 1 and c eq 1") == Or((a, And((b, c))))
    assert parse_filter("(a eq 1 or b eq 1) and c eq 1") == And((Or((a, b)), c))
    assert parse_filter("not a eq 1 and not (b eq 1)") == And((Not(a), Not(b)))


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("'it''s'", Literal("string", "it's")),
        ("''", Literal("string", "")),
        ("-12", Literal("number", -12)),
        ("9223372036854775807L", Literal("number", 9223372036854775807)),
        ("1.5", Literal("number", 1.5)),
        ("1e3", Literal("number", 1000.0)),
        ("2.5d", Literal("number", 2.5)),
        ("TRUE", Literal("boolean", True)),
        ("datetime'1970-01-01T00:00:01.0000001Z'", Literal("datetime", 10_000_001)),
        ("datetime'1970-01-01T01:00:00+01:00'", Literal("datetime", 0)),
        ("guid'C9DA6455-213D-42C9-9A79-3E9149A57833'", Literal("guid", "c9da6455-213d-42c9-9a79-3e9149a57833")),
        ("X'0aFF'", Literal("binary", b"\x0a\xff")),
        ("binary''", Literal("binary", b"")),
    ],
)
def test_literals(text, literal):
    assert parse_filter(f"p eq {text}") == Comparison(Property("p"), "eq", literal)


def test_a_property_alone_is_a_boolean():
    assert parse_filter("p") == Comparison(Property("p"), "eq", Literal("boolean", value=True))


def test_words_inside_names_and_strings_are_no_operators():
    assert parse_filter("orders eq 'a and b or not c'") == Comparison(
        Property("orders"), "eq", Literal("string", "a and b or not c")
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p eq",
        "p eq 1 1",
        "p eq 1 and",
        "(p eq 1",
        "p eq 1)",
        "p like 'x'",
        "p eq 'x",
        "1x eq 2",
        "p eq 2-",
        "(",
        pytest.param("(" * 5000 + "p eq 1" + ")" * 5000, id="deep"),
    ],
)
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(ServiceError) as refusal:
        parse_filter(text)
    assert refusal.value.code == "InvalidInput"


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        parse_filter(text)
    except ServiceError as error:
        assert error.status == 400


@given(st.text(max_size=20).filter(lambda text: "\x00" not in text))
def test_a_string_survives_its_quotes(text):
    quoted = text.replace("'", "''")
    assert parse_filter(f"p eq '{quoted}'") == Comparison(Property("p"), "eq", Literal("string", text))


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("n eq 1", Bounds()),
        ("PartitionKey eq 'a'", Bounds("a", "a")),
        ("'a' eq PartitionKey", Bounds("a", "a")),
        ("'a' lt PartitionKey", Bounds("a", None)),
        ("PartitionKey gt 'a' and PartitionKey le 'c'", Bounds("a", "c")),
        ("PartitionKey eq 'a' and RowKey ge 'x' and RowKey lt 'y' and n eq 1", Bounds("a", "a", "x", "y")),
        ("PartitionKey eq 'a' and (RowKey eq 'x' or RowKey eq 'y')", Bounds("a", "a", "x", "y")),
        ("PartitionKey eq 'a' or PartitionKey eq 'c'", Bounds("a", "c")),
        ("PartitionKey eq 'a' or n eq 1", Bounds()),
        ("not (PartitionKey eq 'a')", Bounds()),
        ("PartitionKey ne 'a'", Bounds()),
        ("RowKey ge 'a' and RowKey ge 'b'", Bounds(None, None, "b", None)),
    ],
)
def test_bounds_of_keys(text, bounds):
    assert bounds_of(parse_filter(text)) == bounds


KEYS = st.text("abc", max_size=2)
TERMS = st.builds(
    "{} {} '{}'".format,
    st.sampled_from(["PartitionKey", "RowKey"]),
    st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
    KEYS,
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@given(FILTERS, KEYS, KEYS)
def test_whatever_satisfies_a_filter_lies_within_its_bounds(text, partition, row):
    expression = parse_filter(text)
    if matches(expression, Row(partition, row, 0, b"{}")):
        low, high, row_low, row_high = bounds_of(expression)
        assert (low is None or low <= partition) and (high is None or partition <= high)
        assert (row_low is None or row_low <= row) and (row_high is None or row <= row_high)


@pytest.mark.parametrize(
    ("text", "start", "searched"),
    [
        ("PartitionKey eq 'a'", None, "table_id=? AND partition=?"),
        (
            "PartitionKey eq 'a' and RowKey ge 'x' and RowKey lt 'y'",
            None,
            "table_id=? AND partition=? AND row>? AND row<?",
        ),
        ("PartitionKey eq 'a' and RowKey ge 'x'", ("a", "y"), "table_id=? AND partition=? AND row>?"),
        ("PartitionKey ge 'a' and PartitionKey lt 'b'", None, "table_id=? AND partition>? AND partition<?"),
    ],
)
def test_a_range_of_keys_is_searched_in_the_index_and_never_sorted(tmp_path, text, start, searched):
    store = Store(tmp_path)
    try:
        statement, values = page_statement(1, bounds_of(parse_filter(text)), start)
        plan = [detail for *_, detail in store.connect().execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    finally:
        store.close()

    assert len(plan) == 1
    assert plan[0].startswith("SEARCH entities USING INDEX sqlite_autoindex_entities_1")
    assert searched in plan[0]
