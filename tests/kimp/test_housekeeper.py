"""The demonstration's jobs run in one process, without the queue that fetches: an outage ends there too."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from cycles.services.shared_outage import SharedOutage
from kimp.demo import housekeeper
from kimp.demo.housekeeper import Housekeeper


@pytest.mark.django_db(transaction=True)
def test_a_job_that_ends_well_ends_the_outage_that_another_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outage = SharedOutage()  # this process has others to run
    monkeypatch.setattr(housekeeper, "OUTAGE", outage)
    outage.tell(OperationalError("connection refused"))
    Housekeeper(speed=1)._run("roll_up_samples")
    assert not outage.is_told
