from __future__ import annotations

import pytest

from orchestrators.operation_context import UNEXPECTED, event_value, failure_reason
from ringback.operations.answers import read_progress


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            "Activity function 'x' failed:  RetryableError: It answered with status 500. \n {…}",
            "It answered with status 500.",
        ),
        ("Activity function 'x' failed:  ValueError: a: b \n details", "a: b"),
        ("Orchestrator function 'x' failed: boom", "boom"),
        ("plain words: with a colon", "plain words: with a colon"),
        ("", UNEXPECTED),
        ("Activity function 'x' failed:  KeyError: 'text' \n details", UNEXPECTED),
        ("Activity function 'x' failed:  OverflowError: too large \n details", UNEXPECTED),
    ],
)
def test_the_reason_of_a_failure_is_what_the_activity_said(error, reason):
    assert failure_reason(Exception(error)) == reason


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (40, (40, None)),
        (39.9, (39, None)),
        ("40", (40, None)),
        ("40 %", (40, None)),
        ("painting", (None, "painting")),
        (140, (100, None)),
        ("²", (None, "²")),
        ("9" * 400, (None, "9" * 400)),
        ("250 %", (100, None)),
        (-5, (0, None)),
        ("1e9", (None, "1e9")),
        (float("nan"), (None, None)),
        (True, (None, None)),
        (None, (None, None)),
        ([], (None, None)),
        ({"percent": 12, "text": "drying"}, (12, "drying")),
        ({"percent": "x", "text": 5}, (None, None)),
        ({"percent": {"percent": 7}}, (7, None)),
    ],
)
def test_progress_is_read_in_every_shape(value, read):
    assert read_progress(value) == read


@pytest.mark.parametrize(
    ("data", "value"), [('{"a": 1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("plain", "plain"), ("12", 12), (None, None)]
)
def test_events_of_the_python_client_are_json_in_a_string(data, value):
    assert event_value(data) == value
