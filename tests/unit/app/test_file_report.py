from __future__ import annotations

import json

import pytest

from ringback.channels import message_size
from ringback.files.parts import merge, read_chunk
from ringback.files.splitting import plan_file
from ringback.files.summary import summarize_part
from ringback.operations.file_report import MAX_COLUMNS, report


def report_of(content: bytes, name: str = "f.csv"):
    data, plan = plan_file(content, name=name)
    parts = [read_chunk(data[chunk.start : chunk.end], plan) for chunk in plan.chunks]
    return report(name, summarize_part(merge(parts, plan), plan))


def test_text_and_card_hold_the_same_figures():
    rows = "".join(f"{number},{'red' if number % 3 else 'blue'},{number / 4}\n" for number in range(1, 1001))
    text, card = report_of(b"id,colour,price\n" + rows.encode())
    shown = json.dumps(card)
    for figure in ("1000", "500.50", "125.12", "red (667)", "id (integer)", "colour (text)", "price (number)"):
        assert figure in text, figure
        assert figure in shown, figure


def test_missing_values_are_counted_by_column():
    text, _ = report_of(b"a,b\n1,\n2,x\n,y\n4,z\n")
    assert "**a (integer)**: missing 1" in text
    assert "**b (text)**: missing 1" in text


def test_a_plain_text_is_counted_in_lines_and_words():
    text, card = report_of(b"the quick fox\nthe lazy dog\n", "note.txt")
    assert "lines 2" in text
    assert "the (2)" in json.dumps(card)


def test_a_wide_table_keeps_its_card_small_and_says_so():
    width = MAX_COLUMNS + 10
    content = (
        ",".join(f"c{n}" for n in range(width)) + "\n" + "\n".join([",".join("12345678" for _ in range(width))] * 5)
    )
    text, card = report_of(content.encode())
    assert "10 more columns" in text
    assert message_size.of([text, card]) < message_size.LARGEST / 2


@pytest.mark.parametrize("character", ["*", "\\", "漢", "😀", "x"])
def test_a_table_of_long_values_has_room_in_one_message(character):
    long = character * 70
    names = ",".join(f"{number}{long}" for number in range(MAX_COLUMNS))
    rows = [",".join(f"{row % 7}{long}" for _ in range(MAX_COLUMNS)) for row in range(14)]
    text, card = report_of("\n".join([names, *rows]).encode())
    assert message_size.of([text, card]) < message_size.LARGEST - 10_000
    assert ("more columns" in text) is (character not in "x漢")


def test_markdown_in_a_file_stays_text():
    text, card = report_of(b"[click](http://evil.example),b\n**x**,1\n**x**,2\n")
    assert "\\[click]" in text
    assert "[click](http" not in text.replace("\\[", "")
    assert "**x**" not in json.dumps(card)


def test_long_names_and_values_are_cut():
    name = "x" * 300
    text, card = report_of(f"{name},b\n{'v' * 500},1\n{'v' * 500},2\n".encode(), name + ".csv")
    assert max(len(line) for line in text.split("\n")) < 500
    assert len(json.dumps(card)) < 5_000
