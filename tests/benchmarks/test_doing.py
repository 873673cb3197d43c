"""Every benchmark that uses the database says what was written, by which statements, and how the server is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.benchmarks import __main__ as benchmarks, place
from tests.benchmarks.__main__ import QUICK


@pytest.mark.django_db(transaction=True)
def test_results_say_what_was_written_and_by_which_statements_and_how_the_server_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def this_one() -> Iterator[str]:
        yield place.server_version()

    monkeypatch.setattr(place, "database", this_one)  # the suite's own: it has made one
    found, server = benchmarks.run(["feeding"], QUICK)
    work = found["feeding"].work
    ticks = QUICK["feeding"]["ticks"] + 1  # the first is no figure
    assert work["rows written"]["cycles_premiumsample"] == {"inserted": 5 * ticks}
    sent = work["statements of the process that measures"]
    assert sent["INSERT cycles_premiumsample"] == ticks
    assert server["settings"]["synchronous_commit"] == "on"
    assert {"fsync", "shared_buffers", "max_wal_size"} <= server["settings"].keys()


def test_what_was_not_done_in_a_database_names_no_server() -> None:
    found, server = benchmarks.run(["simulator_core"], QUICK)
    assert found["simulator_core"].work["is_repeatable"]
    assert server == {"server": "not used"}
