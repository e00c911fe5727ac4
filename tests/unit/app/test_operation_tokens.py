from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from ringback.errors import AuthorizationError
from ringback.operations.tokens import LINK_SECONDS, job_token, page_token, read_job_token, read_page_token

KEY, OTHER = "k" * 32, "o" * 32


def test_a_job_token_names_its_operation_and_event_and_never_changes():
    token = job_token(KEY, "ann-abc", "external-job-done")
    assert token == job_token(KEY, "ann-abc", "external-job-done")
    assert read_job_token(KEY, token) == ("ann-abc", "external-job-done")


@pytest.mark.parametrize("token", ["", "x", "a.b", "ann-abc/external-job-done.AAAA", "\ud800", "é" * 50])
def test_a_forged_job_token_is_refused(token):
    with pytest.raises(AuthorizationError):
        read_job_token(KEY, token)


def test_tokens_of_another_key_or_another_purpose_are_refused():
    with pytest.raises(AuthorizationError):
        read_job_token(KEY, job_token(OTHER, "ann-abc", "e"))
    with pytest.raises(AuthorizationError):
        read_page_token(KEY, job_token(KEY, "ann-abc", "e"))
    with pytest.raises(AuthorizationError):
        read_job_token(KEY, page_token(KEY, "ann-abc"))


def test_a_link_is_good_for_a_week():
    with time_machine.travel("2026-03-01 12:00Z", tick=False) as clock:
        token = page_token(KEY, "ann-abc")
        clock.shift(timedelta(seconds=LINK_SECONDS - 5))
        assert read_page_token(KEY, token) == "ann-abc"
        clock.shift(timedelta(seconds=10))
        with pytest.raises(AuthorizationError, match="a week old"):
            read_page_token(KEY, token)
