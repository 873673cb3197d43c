"""Fixtures of the whole suite: the embedded server is held until the last test has run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from kimp import postgres


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Hold the server before databases are made, one per xdist worker."""
    if settings.DATABASES["default"]["ENGINE"] == "kimp.database":
        postgres.ensure_running(settings.KIMP_HOME)


@pytest.fixture(scope="session", autouse=True)
def _server_is_given_back() -> Iterator[None]:
    """Stop the embedded server with the last process of the run that used it."""
    yield
    if settings.DATABASES["default"]["ENGINE"] == "kimp.database":
        postgres.release(settings.KIMP_HOME)


@pytest.fixture
def reachable_path() -> Iterator[Path]:
    """Give a temporary folder that the server's user can reach too, also in root's run."""
    with tempfile.TemporaryDirectory(prefix="kimp-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
