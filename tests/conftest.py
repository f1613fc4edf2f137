"""Shared by all tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
import postgres_server

from sqlflow.core import secrets

settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> None:
    """A secret is masked as long as its process lives, and tests share theirs."""
    secrets.forget()


def pytest_configure(config: pytest.Config) -> None:
    postgres_server.shared_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres_server.stop()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of an empty database."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop_database(url)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A test that was skipped has proved nothing: CI does not end green with one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        reporter.write_line("tests were skipped, which CI does not allow", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
