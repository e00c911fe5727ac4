from __future__ import annotations

import re

import pytest

from ringback.errors import NotFoundError
from ringback.operations.catalogue import CATALOGUE, chosen, file_operation, find, meant, title


def test_names_are_slugs_and_unique():
    names = [operation.name for operation in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("1", "analyze-file", ""),
        ("#3.", "approval-demo", ""),
        ("analyze file", "analyze-file", ""),
        ("External job: paint it", "external-job", "paint it"),
        ("start approval-demo now", "approval-demo", "now"),
    ],
)
def test_an_operation_is_chosen_by_number_name_or_title(text, name, rest):
    operation, words = chosen(text)
    assert (operation.name, words) == (name, rest)


@pytest.mark.parametrize("text", ["", "0", "17", "external-jobs", "my external-job", "analyze"])
def test_what_names_no_operation_chooses_none(text):
    assert chosen(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("could you analyze my spreadsheet?", "analyze-file"), ("I need your permission", "approval-demo")],
)
def test_free_text_means_the_operation_with_most_keywords(text, name):
    assert meant(text).name == name


@pytest.mark.parametrize("text", ["", "good weather", "file job"])
def test_no_word_or_a_tie_means_none(text):
    assert meant(text) is None


def test_an_unknown_name_is_told_with_the_names_there_are():
    with pytest.raises(NotFoundError, match="external-job"):
        find("nope")


def test_a_file_is_for_the_one_operation_that_takes_one():
    assert file_operation().name == "analyze-file"
    assert title("gone") == "gone"
