"""Options of the whole suite, and an environment without the developer's own settings."""

from __future__ import annotations

import os

import pytest

# What a developer's shell may hold and the tests must not see.
SCRUBBED = (
    "Microsoft",
    "AzureWebJobs",
    "BOT_",
    "EXTERNAL_JOB_",
    "TABLES_",
    "QUEUES_",
    "SIGNING_KEY",
    "DIRECT_LINE_",
    "ACS_",
    "SMS_",
    "EMAIL_",
    "SMTP_",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--chaos", choices=["short", "long"], default="short", help="how much tests/chaos does to the host"
    )
    parser.addoption("--host", default="", help="run tests/e2e against the bot of this URL instead of `dev.py up`")


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith(SCRUBBED):
            del os.environ[name]
