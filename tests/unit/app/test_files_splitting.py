from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import RequestError
from ringback.files.records import read_records, split_lines
from ringback.files.splitting import MOST_CHUNKS, MOST_COLUMNS, Plan, plan_file

CELLS = st.text(st.sampled_from('ab1,;"\n\r ü€'), max_size=12)


def plan(text: str, **options) -> Plan:
    return plan_file(text.encode(), **options)[1]


def rows_of(data: bytes, made: Plan) -> list[list[str]]:
    return [
        record.fields
        for chunk in made.chunks
        for record in read_records(split_lines(data[chunk.start : chunk.end], made.encoding).texts, made.delimiter)
        if record.fields
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, end):
    rows = [["name", "city", "age"], ["Ann", "Rome, Italy", "3"], ["Bob", "a;b|c", "4"], ["Cy", 'say "x"', "5"]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    made = plan(out.getvalue(), name="x.csv")
    assert (made.kind, made.delimiter, made.header, made.columns) == ("table", delimiter, True, rows[0])
    assert rows_of(out.getvalue().encode(), made) == rows[1:]


def test_decimal_commas_are_not_taken_for_delimiters():
    assert plan("1,5;2,5\n3,5;4,5\n").delimiter == ";"
    assert plan("preis;menge\n1,5;2\n3,25;4\n").delimiter == ";"


def test_one_column_is_a_table_when_its_name_says_so():
    made = plan("age\n3\n4\n", name="ages.csv")
    assert (made.kind, made.columns, made.width) == ("table", ["age"], 1)
    assert plan("age\n3\n4\n", name="ages.txt").kind == "text"
    assert plan("age\n3\n4\n", name="blob", content_type="text/csv; charset=utf-8").kind == "table"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Dear all,\nthis is a letter, and it has commas.\nRegards\n", "letter.txt"),
        ('{"a": 1, "b": 2}\n{"a": 1, "b": 2}\n', ""),
        ('[{"a": 1}]', "x"),
        ("<a>1,2</a>\n<a>1,2</a>\n", ""),
        ("a,b\n1,2\n", "notes.md"),
        ("one word", "x.txt"),
    ],
)
def test_plain_text(text, name):
    assert plan(text, name=name).kind == "text"


def test_a_table_is_known_without_a_name():
    assert plan("a,b\n1,2\n3,4\n", name="data.txt").kind == "table"


def test_a_line_that_names_the_delimiter():
    made = plan("sep=|\na|b\n1|2,5\n", name="x.csv")
    assert (made.delimiter, made.columns) == ("|", ["a", "b"])
    assert made.chunks[0].start == len("sep=|\na|b\n")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1,2\n3,4\n", None),
        ("a,b\n", ["a", "b"]),
        ("name,city\nAnn,Rome\nBob,Oslo\n", ["name", "city"]),
        ("Ann,Rome\nAnn,Oslo\nBob,Rome\n", None),
        (",a,b\n0,x,1\n1,y,2\n", ["column 1", "a", "b"]),
        ("a,a,a (2),\n1,2,3,4\n", ["a", "a (2)", "a (2) (2)", "column 4"]),
        ("x,y\n1,2\n", ["x", "y"]),
        ("No,Name\n1,Ann\n2,Bob\n", ["No", "Name"]),
        ("anna,true\nbob,false\n", None),
        ("country,2019,2020\nFR,1.5,2\nDE,3,4\n", ["country", "2019", "2020"]),
        ("FR,2019\nDE,2020\n", None),
        ("Ann,2024-01-01\nBob,2024-01-02\n", None),
        ("\n\nid,name\n1,x\n", ["id", "name"]),
        ("a,b,,\n1,2\n3,4\n", ["a", "b"]),
        ("a,b\n1,2,\n3,4,\n", ["a", "b", "column 3"]),
        ('"multi\nline",b\n1,2\n', ["multi line", "b"]),
    ],
)
def test_headers(text, columns):
    made = plan(text, name="x.csv")
    assert made.header is (columns is not None)
    assert made.columns == (columns or ["column 1", "column 2"])


def test_the_header_is_in_no_chunk():
    text = "\n\nid,name\n1,x\n2,y"
    made = plan(text, name="x.csv")
    assert rows_of(text.encode(), made) == [["1", "x"], ["2", "y"]]


def test_a_header_alone_leaves_no_chunks():
    made = plan("a,b\n", name="x.csv")
    assert made.chunks == []


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "\ufeff", "\ufeff \n"])
def test_nothing_in_it(text):
    with pytest.raises(RequestError, match="some rows or text"):
        plan(text)


def test_utf16_is_stored_as_utf8():
    data, made = plan_file("näme;x\nü;1\nö;2\n".encode("utf-16"), name="x.csv")
    assert data == "näme;x\nü;1\nö;2\n".encode()
    assert (made.columns, made.size) == (["näme", "x"], len(data))


def test_legacy_encodings_are_read():
    data, made = plan_file("Größe;Preis €\nschön;1\nübel;2\n".encode("cp1252"), name="x.csv")
    assert made.columns == ["Größe", "Preis €"]
    assert rows_of(data, made) == [["schön", "1"], ["übel", "2"]]


def test_only_the_first_columns_are_counted():
    made = plan("\n".join(",".join(map(str, range(500))) for _ in range(3)), name="x.csv")
    assert (made.width, len(made.columns)) == (500, MOST_COLUMNS)


def test_a_record_of_a_million_fields_is_borne():
    made = plan("," * 1_000_000 + "\n", name="x.csv")
    assert (made.width, len(made.columns)) == (1_000_001, MOST_COLUMNS)


def test_chunks_are_bounded_in_number():
    made = plan("abc,1\n" * 20_000, name="x.csv", chunk_bytes=10)
    assert len(made.chunks) <= MOST_CHUNKS


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=20),
    st.integers(min_value=1, max_value=80),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_chunks_meet_between_records(rows, chunk_bytes, end, encoding):
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["1", "2"], *rows])
    data, made = plan_file(out.getvalue().encode(encoding), name="x.csv", chunk_bytes=chunk_bytes)
    assert [chunk.end for chunk in made.chunks[:-1]] == [chunk.start for chunk in made.chunks[1:]]
    assert made.chunks[-1].end == len(data)
    if made.delimiter == "," and not made.header:
        assert rows_of(data, made) == [["1", "2"], *rows]


@given(st.text(st.sampled_from('a1,"\n\r'), min_size=1, max_size=200), st.integers(min_value=1, max_value=40))
def test_chunks_read_as_the_whole_does_however_broken(text, chunk_bytes):
    head = "1,2\n3,4\n" * 5
    data, made = plan_file((head + text).encode(), name="x.csv", chunk_bytes=chunk_bytes)
    whole = read_records(split_lines(data[made.chunks[0].start :], made.encoding).texts, made.delimiter)
    assert rows_of(data, made) == [record.fields for record in whole if record.fields]


def test_long_quoted_fields_across_the_margin():
    dice = random.Random(7)
    rows = [["1", "x" * dice.randrange(100_000) + '"\n"' + "y" * 10] for _ in range(30)]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    data, made = plan_file(out.getvalue().encode(), name="x.csv", chunk_bytes=50_000)
    assert len(made.chunks) > 10
    assert rows_of(data, made) == rows


def test_an_open_quote_does_not_swallow_the_file():
    text = "a,b\n" + '1,"open\n' + "2,x\n" * 200_000
    data, made = plan_file(text.encode(), name="x.csv")
    assert len(rows_of(data, made)) == 200_001
