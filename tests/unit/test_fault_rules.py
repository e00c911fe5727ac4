"""Rules: drawn in order, by rate and count, kept with what is used up."""

from __future__ import annotations

import pytest

from local.fault_rules import Rule, Rules, complaint


class Kept:
    bytes = b"[]"

    def keep(self, rules: bytes) -> None:
        self.bytes = rules

    def rules(self, seed: int | None = None) -> Rules[Rule]:
        return Rules(Rule, self.bytes, self.keep, seed)


def everything(_: Rule) -> bool:
    return True


def test_the_first_that_fits_strikes_until_its_times_are_used_up_also_over_a_restart():
    kept = Kept()
    rules = kept.rules()
    rules.add(Rule(status=500, times=2))
    rules.add(Rule(status=503))
    assert rules.draw(everything).status == 500
    rules = kept.rules()
    assert [rules.draw(everything).status for _ in range(3)] == [500, 503, 503]
    assert rules.draw(lambda rule: rule.status == 404) is None


def test_a_rate_is_kept_roughly_and_one_that_does_not_fit_draws_nothing():
    rules = Kept().rules(seed=1)
    rules.add(Rule(status=500, rate=0.3))
    assert 250 < sum(rules.draw(everything) is not None for _ in range(1000)) < 350
    assert rules.draw(lambda _: False) is None


def test_ids_are_never_used_again_and_what_is_not_kept_is_gone_after_a_restart():
    kept = Kept()
    rules = kept.rules()
    first, passing = rules.add(Rule(status=500)), rules.add(Rule(status=501), keep=False)
    assert (first.id, passing.id) == ("1", "2")
    assert rules.remove("1") == 1
    assert rules.remove("1") == 0
    assert rules.add(Rule(status=502)).id == "3"
    assert [rule.status for rule in kept.rules().rules] == [502]
    assert rules.remove() == 2
    for number in ("4", "5"):
        rules = kept.rules()
        rules.add(Rule(status=500 + int(number)))
        assert [rule.id for rule in rules.rules] == [number]
        rules.remove(number)
    kept.rules().add(Rule(status=506))
    assert [kept.rules().add(Rule(status=507)).id, kept.rules().rules[0].id] == ["7", "6"]


def test_a_state_of_an_earlier_version_is_read():
    kept = Kept()
    kept.bytes = b'[{"id":"7","status":500}]'
    rules = kept.rules()
    assert [rule.status for rule in rules.rules] == [500]
    assert rules.add(Rule(status=501)).id == "8"


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Rule(status=199), "'status'"),
        (Rule(status=600), "'status'"),
        (Rule(rate=1.1), "'rate'"),
        (Rule(rate=-0.1), "'rate'"),
        (Rule(delay=-1), "'delay'"),
        (Rule(delay=601), "'delay'"),
        (Rule(times=0), "'times'"),
    ],
)
def test_what_is_out_of_range_is_named(rule, field):
    assert complaint(rule).startswith(field)
    assert complaint(Rule()) == ""
