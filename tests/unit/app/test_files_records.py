from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.files.records import read_records, split_lines

CELLS = st.text(st.sampled_from('ab1,;"\n\r \tü€'), max_size=8)
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12)


def fields(text: str, delimiter: str = ",") -> list[list[str]]:
    return [record.fields for record in read_records(split_lines(text.encode(), "utf-8").texts, delimiter)]


@given(TABLES, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_the_csv_module_writes_is_read_back(rows, delimiter, end):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    assert fields(out.getvalue(), delimiter) == rows


@given(st.text(st.sampled_from('a,"\n\r'), max_size=60))
def test_no_text_is_lost_or_loops_however_broken(text):
    lines = split_lines(text.encode(), "utf-8")
    seen = [record.lines for record in read_records(lines.texts, ",")]
    assert seen == sorted(set(seen))
    assert not lines.texts or seen[-1] == len(lines.texts)
    letters = sum(cell.count("a") for row in fields(text) for cell in row)
    assert letters == text.count("a")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_line_ends_and_doubled_quotes(end):
    text = end.join(["a,b", f'"one{end}two","say ""hi"""', "3,4", ""])
    assert fields(text) == [["a", "b"], [f"one{end}two", 'say "hi"'], ["3", "4"]]


def test_other_line_separators_of_unicode_end_no_line():
    assert fields("a\x0bb\x0c\x1c\x85\u2028c,d\n") == [["a\x0bb\x0c\x1c\x85\u2028c", "d"]]


def test_an_open_quote_costs_one_line():
    text = 'a,b\n"open,1\n2,3\n4,5\n'
    records = list(read_records(split_lines(text.encode(), "utf-8").texts, ","))
    assert [record.fields for record in records] == [["a", "b"], ['"open', "1"], ["2", "3"], ["4", "5"]]
    assert [record.broken for record in records] == [False, True, False, False]


def test_an_open_quote_before_quoted_rows_costs_one_line():
    assert fields('"open,1\n"x","2"\n"y","3"\n') == [['"open', "1"], ["x", "2"], ["y", "3"]]


def test_stray_quotes_are_read_as_they_stand():
    assert fields('5" pipe,"a"b,c\nd, "e, f"\n') == [['5" pipe', "ab", "c"], ["d", "e, f"]]


def test_a_field_over_the_limit_of_the_csv_module_is_still_one_field():
    long = "x" * 200_000
    assert fields(f"a,{long}\n1,2\n") == [["a", long], ["1", "2"]]


def test_many_broken_lines_take_linear_time():
    text = '"a\nb,"c\n' * 30_000
    assert len(fields(text)) == 60_000


def test_an_unfinished_record_waits_for_more():
    lines = split_lines(b'a,b\n"open\n', "utf-8").texts
    assert [record.fields for record in read_records(lines, ",", more=True)] == [["a", "b"]]


def test_stops_are_bytes():
    lines = split_lines("ü\r\n€\rx".encode(), "utf-8")
    assert lines.texts == ["ü\r\n", "€\r", "x"]
    assert lines.stops == [4, 8, 9]
