from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ringback.files import frequencies
from ringback.files.frequencies import Frequencies, key_of, shown, union

LIMIT = 8
WORDS = st.lists(st.sampled_from("abcdefghijklmnop"), max_size=60)


def one(values) -> Frequencies:
    return union([Frequencies(dict(Counter(values)))], LIMIT)


@given(st.lists(WORDS, max_size=6))
def test_counts_are_exact_or_bounded_however_they_are_split(chunks):
    truth = Counter(value for chunk in chunks for value in chunk)
    found = union(map(one, chunks), LIMIT)
    assert len(found.counts) <= LIMIT
    assert found.exact is (len(truth) <= LIMIT)
    assert found.distinct == len(truth)
    assert found.error * (LIMIT + 1) <= sum(truth.values())
    for value, count in truth.items():
        low = found.counts.get(value, 0)
        assert low <= count <= low + found.error
    if found.exact:
        assert found.counts == truth


@given(WORDS, WORDS, WORDS)
def test_merging_is_associative_and_commutative_in_what_is_promised(a, b, c):
    a, b, c = map(one, (a, b, c))
    left, right = union([union([a, b], LIMIT), c], LIMIT), union([b, union([c, a], LIMIT)], LIMIT)
    assert (left.exact, left.distinct, left.hashes) == (right.exact, right.distinct, right.hashes)
    if left.exact:
        assert left == right


@given(WORDS)
def test_what_is_named_most_frequent_is_so(values):
    truth = Counter(values)
    found = one(values)
    named = [value for value, _ in found.top(3)]
    if found.exact:
        best = sorted(truth.items(), key=lambda item: (-item[1], item[0]))[:3]
        assert named == ([] if len(truth) > 1 and best[0][1] == 1 else [value for value, _ in best])
    else:
        unnamed = [count for value, count in truth.items() if value not in found.counts]
        assert all(truth[value] >= max(unnamed, default=0) for value in named)


def test_many_values_are_estimated_within_a_tenth(monkeypatch):
    dice = random.Random(3)
    chunks = [[f"v{dice.randrange(40_000)}" for _ in range(5_000)] + ["often"] * 900 for _ in range(12)]
    truth = {value for chunk in chunks for value in chunk}
    found = union((union([Frequencies(dict(Counter(chunk)))], 2_000) for chunk in chunks), 2_000)
    assert not found.exact
    assert len(found.hashes) == frequencies.HASHES
    assert abs(found.distinct - len(truth)) < 0.1 * len(truth)
    assert found.top(3)[0][0] == "often"
    turned = union((union([Frequencies(dict(Counter(chunk)))], 2_000) for chunk in reversed(chunks)), 2_000)
    assert turned.distinct == found.distinct


def test_long_values_are_cut_and_still_told_apart():
    one, other = "x" * 500 + "a", "x" * 500 + "b"
    assert key_of(one) != key_of(other)
    assert len(key_of(one)) <= frequencies.KEY_LENGTH
    assert shown(key_of(one)) == "x" * 80 + "…"
    assert shown("two\nlines\tand  more") == "two lines and more"


def test_values_that_all_occur_once_are_not_called_frequent():
    assert one("abc").top(5) == []
    assert one("a").top(5) == [("a", 1)]
    assert one("aab").top(5) == [("a", 2), ("b", 1)]
    assert one("").top(5) == []
