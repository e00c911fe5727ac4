from __future__ import annotations

import csv
import io
import math
import random
import statistics
from collections import Counter
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.files.parts import merge, pack, read_chunk, unpack
from ringback.files.splitting import Plan, plan_file
from ringback.files.summary import ColumnSummary, Summary, summarize_part


def summary_of(text: str, name: str = "x.csv", chunk_bytes: int = 40, **changes) -> Summary:
    data, plan = plan_file(text.encode(), name=name, chunk_bytes=chunk_bytes)
    plan = msgspec.structs.replace(plan, **changes)
    parts = [unpack(pack(read_chunk(data[chunk.start : chunk.end], plan))) for chunk in plan.chunks]
    return summarize_part(merge(parts, plan), plan)


def column(*cells: str, delimiter: str = ",") -> ColumnSummary:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([["the column", "other"], *([cell, "x"] for cell in cells)])
    return summary_of(out.getvalue()).columns[0]


def notes(*cells: str, delimiter: str = ",") -> list[str]:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([["the column", "other"], *([cell, "x"] for cell in cells)])
    return summary_of(out.getvalue()).notes


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "-3"], "integer"),
        (["1", "2.5"], "number"),
        (["1.0", "2.0"], "number"),
        (["1", "x"], "text"),
        (["1", "", "NA", "2"], "integer"),
        (["007", "123"], "text"),
        (["true", "False"], "boolean"),
        (["yes", "no", ""], "boolean"),
        (["0", "1"], "integer"),
        (["2024-01-01", "2024-02-01"], "date"),
        (["2024-01-01 10:00", "2024-02-01"], "datetime"),
        (["13/1/2024", "1/2/2024"], "date"),
        (["13/1/2024", "1/13/2024"], "text"),
        (["2024-01-01", "5"], "text"),
        (["$5", "$6.50"], "number"),
        (["$5", "€6"], "text"),
        (["$5", "6"], "text"),
        (["5%", "10%"], "integer"),
        (["1,234", "2,000"], "integer"),
        (["12,5", "3"], "text"),
        (["N/A", "null"], "empty"),
    ],
)
def test_types(cells, kind):
    assert column(*cells).type == kind


@pytest.mark.parametrize(
    ("delimiter", "cells", "kind", "total"),
    [
        (";", ["1,5", "2,25", "3"], "number", "6.75"),
        (";", ["1.234,5", "2"], "number", "1236.5"),
        (";", ["1.234", "1,5"], "number", "1235.5"),
        (";", ["1.234.567", "1.000"], "integer", "1235567"),
        (";", ["1.234", "2.5"], "number", "3.734"),
        (";", ["1.234", "5.678"], "number", "6.912"),
        (";", ["1,234", "2"], "number", "3.234"),
        (";", ["1,234", "1,234,567"], "integer", "1235801"),
        (";", ["1,5", "2.5"], "text", None),
        ("\t", ["1,5", "2"], "number", "3.5"),
        ("\t", ["1,234", "2"], "text", None),
        ("\t", ["1,234.5", "1,234"], "number", "2468.5"),
        (",", ["1,234", "2"], "integer", "1236"),
        (",", ["1,5", "2"], "text", None),
        (";", ["12,5 €", "1.000,00 €"], "number", "1012.5"),
    ],
)
def test_points_and_commas(delimiter, cells, kind, total):
    found = column(*cells, delimiter=delimiter)
    assert (found.type, found.total) == (kind, total)


def test_numbers():
    found = column("1", "2", "2", "", "-4.5", "1e2")
    assert found == ColumnSummary(
        name="the column",
        type="number",
        cells=5,
        missing=1,
        distinct=4,
        minimum="-4.5",
        maximum="100",
        total="100.5",
        mean="20.10",
        deviation="44.75",
        top=found.top,
    )
    assert next((entry.value, entry.count) for entry in found.top) == ("2", 2)


def test_dates_have_a_range_in_their_own_order():
    assert (column("13/1/2024", "2/3/2024").minimum, column("13/1/2024", "2/3/2024").maximum) == (
        "2024-01-13",
        "2024-03-02",
    )
    assert column("1/13/2024", "2/3/2024").maximum == "2024-02-03"
    assert column("31.12.2023", "2024-01-01").maximum == "2024-01-01"
    times = column("2024-01-01T10:00:00Z", "2024-01-01T10:00:00.5Z", "2024-01-01T12:00:00+05:00")
    assert (times.minimum, times.maximum) == ("2024-01-01T07:00:00Z", "2024-01-01T10:00:00.500000Z")


def test_dates_whose_order_is_open_have_no_range_and_a_note():
    found = column("1/2/2024", "3/4/2024")
    assert (found.type, found.minimum) == ("date", None)
    assert any("Day and month" in note and "the column" in note for note in notes("1/2/2024", "3/4/2024"))


def test_a_file_that_writes_decimal_commas_does_so_everywhere():
    found = summary_of("preis;menge;stück\n1,5;1.234;1.5\n2,5;5.000;2\n")
    assert [(entry.type, entry.total) for entry in found.columns] == [
        ("number", "4"),
        ("integer", "6234"),
        ("number", "3.5"),
    ]
    assert "A decimal comma was read in preis, menge." in found.notes


def test_dates_follow_the_order_that_the_file_shows_elsewhere():
    found = summary_of("sent,came\n1/13/2024,1/2/2024\n2/3/2024,3/4/2024\n")
    assert (found.columns[1].minimum, found.columns[1].maximum) == ("2024-01-02", "2024-03-04")
    mixed = summary_of("sent,came,paid\n1/13/2024,1/2/2024,13/1/2024\n2/3/2024,3/4/2024,13/1/2024\n")
    assert mixed.columns[1].minimum is None


def test_text_has_lengths_and_its_most_frequent_values():
    found = column("b", "a", "b", "a", "ccc", "  b ")
    assert (found.type, found.shortest, found.longest, found.distinct) == ("text", 1, 3, 3)
    assert [(entry.value, entry.count) for entry in found.top] == [("b", 3), ("a", 2), ("ccc", 1)]


def test_nearly_all_numbers_is_text_with_a_note():
    cells = [str(number) for number in range(30)] + ["about 5"]
    assert column(*cells).type == "text"
    assert "the column is text because 1 of 31 values are no numbers: “about 5”." in notes(*cells)


def test_ragged_rows_and_broken_quotes_are_told():
    found = summary_of('a,b\n1,2\n3\n4,5,6\n\n  \n7,"8\n9,1\n')
    assert (found.rows, found.ragged) == (5, 2)
    assert found.columns[1].missing == 1
    assert "2 of 5 rows have more or fewer cells than the 2 columns." in found.notes
    assert "1 line has quotes that do not match and were read as they stand." in found.notes


def test_a_file_of_numbers_has_numbered_columns():
    found = summary_of("1,2\n3,4\n")
    assert [entry.name for entry in found.columns] == ["column 1", "column 2"]
    assert (found.rows, found.header) == (2, False)
    assert found.notes == ["The first row holds no column names, so the columns are numbered."]


def test_a_header_alone_has_no_rows():
    found = summary_of("a,b\n")
    assert (found.rows, [entry.type for entry in found.columns]) == (0, ["empty", "empty"])


def test_decimal_commas_are_told():
    assert "A decimal comma was read in the column." in notes("1,5", "2", delimiter=";")


def test_too_many_columns_are_told():
    text = "\n".join(",".join(f"v{row}{number}" for number in range(250)) for row in range(4))
    found = summary_of(text)
    assert (len(found.columns), found.columns_in_file) == (200, 250)
    assert "Only the first 200 of 250 columns were looked at." in found.notes


def test_too_many_values_are_counted_approximately():
    text = "id,group\n" + "".join(f"i{row},{'a' if row % 3 else 'b'}\n" for row in range(3000))
    found = summary_of(text, chunk_bytes=4000, limit=1100)
    ids, groups = found.columns
    assert not ids.exact
    assert ids.distinct == pytest.approx(3000, rel=0.1)
    assert ids.top == []
    assert (groups.exact, groups.distinct) == (True, 2)
    assert any("approximate, in id." in note for note in found.notes)


def test_plain_text():
    text = "The cat.\r\nThe dog, the CAT's\n\nlast \u2013 line"
    found = summary_of(text, name="x.txt")
    counted = found.text
    assert found.kind == "text"
    assert (counted.lines, counted.words, counted.longest_line) == (4, len(text.split()), 18)
    assert counted.characters == len(text) - 4
    assert [tuple(msgspec.structs.astuple(word)) for word in counted.top_words][:2] == [("the", 3), ("cat", 1)]


def test_a_summary_goes_through_json():
    found = summary_of("a,b\n1,x\n2,y\n2,y\n")
    assert msgspec.convert(msgspec.to_builtins(found), Summary) == found


CELL = st.one_of(
    st.sampled_from(["", "NA", "1", "2.50", "-3", "1,5", "1.234", "1,234", "true", "2024-01-31", "1/2/2024", "a", "b"]),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.text(st.sampled_from('ab "\n,;ü'), max_size=6),
)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=30),
    st.integers(min_value=1, max_value=200),
    st.sampled_from([",", ";"]),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_any_split_gives_the_summary_of_one_pass(rows, chunk_bytes, delimiter, dice):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["one", "two", "three"], *rows])
    raw = out.getvalue().encode()
    data, plan = plan_file(raw, name="x.csv", chunk_bytes=chunk_bytes)
    start = plan.chunks[0].start
    parts = [read_chunk(data[chunk.start : chunk.end], plan) for chunk in plan.chunks]
    whole = merge([read_chunk(data[start:], plan)], plan)
    dice.shuffle(parts)
    middle = dice.randrange(len(parts) + 1)
    nested = merge([merge(parts[:middle], plan), merge(parts[middle:], plan)], plan)
    assert merge(parts, plan) == nested == whole
    assert summarize_part(nested, plan) == summarize_part(whole, plan)


@given(st.text(st.sampled_from("ab'-ü \n\r.1"), min_size=1), st.integers(min_value=1, max_value=50))
def test_any_split_of_a_text_gives_the_summary_of_one_pass(text, chunk_bytes):
    text = f"start {text}"
    assert summary_of(text, "x.txt", chunk_bytes) == summary_of(text, "x.txt", 10**6)


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\r\t"), max_size=300),
    st.integers(min_value=1, max_value=100),
    st.sampled_from(["x.csv", "x.txt", ""]),
)
def test_any_text_has_a_summary_of_its_rows(text, chunk_bytes, name):
    found = summary_of(f"x{text}", name, chunk_bytes)
    for entry in found.columns:
        assert entry.cells + entry.missing == found.rows
        assert sum(frequent.count for frequent in entry.top) <= entry.cells


def test_fifty_thousand_rows_against_the_standard_library():
    dice = random.Random(11)
    amounts = [f"{dice.uniform(-500, 5000):.2f}" for _ in range(50_000)]
    ages = [dice.choice(["", str(dice.randrange(18, 90))]) for _ in range(50_000)]
    days = [(date(2020, 1, 1) + timedelta(dice.randrange(1000))).isoformat() for _ in range(50_000)]
    cities = [dice.choice(["Rome, Italy", "Paris", 'the "Hague"', "two\nlines"]) for _ in range(50_000)]
    out = io.StringIO()
    csv.writer(out).writerows([["amount", "age", "day", "city"], *zip(amounts, ages, days, cities, strict=True)])
    found = summary_of(out.getvalue(), chunk_bytes=200_000)
    amount, age, day, city = found.columns
    values = [float(value) for value in amounts]
    assert found.rows == 50_000
    assert amount.mean == f"{math.fsum(values) / 50_000:.2f}"
    assert amount.deviation == f"{statistics.stdev(values):.2f}"
    assert (float(amount.minimum), float(amount.maximum)) == (min(values), max(values))
    assert amount.distinct == len(set(amounts))
    assert (age.missing, age.mean) == (ages.count(""), f"{statistics.fmean(int(value) for value in ages if value):.2f}")
    assert (day.type, day.minimum, day.maximum) == ("date", min(days), max(days))
    expected = sorted(Counter(cities).items(), key=lambda item: (-item[1], item[0]))
    assert [(entry.value, entry.count) for entry in city.top] == [
        (value.replace("\n", " "), count) for value, count in expected
    ]


def test_a_part_stays_small_whatever_the_file_holds():
    text = "a,b\n" + "".join(f"{'x' * 5000}{row},{row}\n" for row in range(200))
    data, plan = plan_file(text.encode(), name="x.csv")
    assert isinstance(plan, Plan)
    part = read_chunk(data[plan.chunks[0].start : plan.chunks[0].end], plan)
    assert len(msgspec.json.encode(part)) < 60_000
