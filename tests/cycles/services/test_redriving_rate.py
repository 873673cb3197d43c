"""What many dead letters are redriven at holds for all runs that it takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from cycles.domain.words import CycleStatus, FailureClass
from cycles.models import Cycle
from cycles.services import redriving
from cycles.services.redriving import Filter
from tests.cycles.services.test_redriving import ALL, WHY, dead, dying_at
from tests.desk import operator

pytestmark = pytest.mark.django_db


def due() -> list[datetime]:
    """Give when those become due that were redriven, the last last."""
    rows = Cycle.objects.filter(status=CycleStatus.RETRY_PENDING, wake_at__isnull=False)
    return [at for at in rows.order_by("wake_at").values_list("wake_at", flat=True) if at]


@pytest.mark.parametrize("chosen", [ALL, Filter(asset="XRP", most_krw=Decimal(10**9))])
def test_a_run_that_goes_on_after_a_kill_begins_behind_what_is_due_already(
    chosen: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 10)
    dead(60)
    alice = operator()
    seen = redriving.look(chosen)
    for done, kills_in in ((20, 3), (40, 3), (60, None)):
        before = due()
        if kills_in:
            with pytest.raises(KeyboardInterrupt), dying_at(kills_in):
                redriving.redrive_all(seen, actor=alice, reason=WHY, rate=1)
        else:
            redriving.redrive_all(seen, actor=alice, reason=WHY, rate=1)
        assert len(due()) == done
        assert due()[: len(before)] == before
    assert due()[-1] - due()[0] > timedelta(seconds=40)


def test_a_redrive_of_other_dead_letters_does_not_wait_for_those_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 1)  # each in a second of its own
    dead(4)
    (other,) = dead(1, failure=FailureClass.WALLET_CLOSED)
    alice = operator()
    many = redriving.look(Filter(failure_class="REFUSED_RULES"))
    redriving.redrive_all(many, actor=alice, reason=WHY, rate=1)
    one = redriving.look(Filter(failure_class="WALLET_CLOSED"), at=many.at)
    redriving.redrive_all(one, actor=alice, reason=WHY, rate=1)
    other.refresh_from_db()
    assert other.wake_at
    assert other.wake_at < due()[-1]
