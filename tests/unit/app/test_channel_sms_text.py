from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.channels.sms_text import GSM7_BASIC, GSM7_EXTENDED, Segments, plain, segments, shortened

ALPHABET = st.text(alphabet=st.one_of(st.sampled_from("ab {€ж😀\n"), st.characters(codec="utf-8")), max_size=400)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("€" * 81, ("GSM-7", 162, 2)),
        # The escape and its character stay together: 152 + 2 do not fit into 153.
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),
        ("ж" * 70, ("UCS-2", 70, 1)),
        ("ж" * 71, ("UCS-2", 71, 2)),
        ("ж" * 134, ("UCS-2", 134, 2)),
        ("ж" * 135, ("UCS-2", 135, 3)),
        ("😀" * 35, ("UCS-2", 70, 1)),
        # 33 pairs in a segment of 67: the 67th unit stays empty.
        ("😀" * 67, ("UCS-2", 134, 3)),
        ("a" * 160 + "ж", ("UCS-2", 161, 3)),
    ],
)
def test_segments_are_counted_as_networks_do(text, told):
    assert segments(text) == Segments(*told)


def test_the_alphabet_is_that_of_the_standard():
    assert len(GSM7_BASIC) == 127
    assert len(GSM7_EXTENDED) == 10
    assert not GSM7_BASIC & GSM7_EXTENDED


def test_typography_is_made_plain_only_where_that_saves_something():
    assert plain("“Hi” \u2013 it\u2019s … ok\u00a0€5") == '"Hi" - it\'s ... ok €5'
    assert plain("“Привет”") == "“Привет”"


def test_a_cut_ends_at_a_word_near_by():
    assert shortened("short", 1) == "short"
    assert shortened("word " * 50, 1) == "word " * 30 + "word..."
    assert shortened("x" * 200, 1) == "x" * 157 + "..."
    assert shortened("word " * 31 + "w" * 40, 1).endswith("word...")


@given(ALPHABET, st.integers(1, 4))
def test_a_cut_fits_and_begins_as_the_text_does(text, most):
    cut = shortened(text, most)
    assert segments(cut).parts <= most
    assert cut == text or text.startswith(cut[:-3].rstrip())


@given(ALPHABET)
def test_plain_texts_never_cost_more(text):
    assert segments(plain(text)).parts <= max(segments(text).parts, 1 + len(text) // 40)
