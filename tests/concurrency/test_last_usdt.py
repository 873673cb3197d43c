"""Two initiators and the last of the desk's USDT."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.errors import CycleError
from cycles.models import Cycle
from cycles.services import booking, desk as desk_services, opening, verifying
from cycles.services.locking import lock_desk_account
from tests import builders
from tests.concurrency.meeting import Meeting, queued, root, together
from tests.concurrency.unguarded import table_without
from tests.desk import TestDesk

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

ENOUGH_FOR_ONE = Decimal(60_000)


def one_only(desk: TestDesk) -> None:
    """Let the policy allow what the desk's 100,000 USDT suffice for once."""
    desk_services.set_policy(
        {
            "notional_usdt": ENOUGH_FOR_ONE,
            "max_exposure_usdt": Decimal(10**9),
            "max_exposure_per_asset_usdt": Decimal(10**9),
            "max_open_cycles": 99,
            "max_open_cycles_per_asset": 99,
            "min_open_edge_bps": Decimal(-9000),
        },
        actor=root(), reason="r", seen_number=1,
    )  # fmt: skip
    desk.stand_still()
    desk.sample()


def open_now(name: str) -> Cycle | None:
    """Open as an initiator does."""
    return opening.open_if_decided(actor=name)


def test_of_two_initiators_one_gets_the_last_usdt(committed_desk: TestDesk) -> None:
    one_only(committed_desk)
    got = together(lambda: open_now("one"), lambda: open_now("other"))
    assert sum(isinstance(one, Cycle) for one in got) == 1
    assert Cycle.objects.count() == 1
    assert booking.desk_balance("binance", "USDT") == 100_000 - ENOUGH_FOR_ONE
    assert verifying.verify_ledger().matches_venues


def test_limits_on_open_cycles_hold_between_initiators(committed_desk: TestDesk) -> None:
    one_only(committed_desk)
    desk_services.set_policy(
        {"notional_usdt": Decimal(1000), "max_open_cycles": 2},
        actor=root(), reason="r", seen_number=2,
    )  # fmt: skip
    together(*[lambda name=str(n): open_now(name) for n in range(4)])
    assert Cycle.objects.count() == 2


def of_two_who_decided_to_open(desk: TestDesk) -> list[Cycle | CycleError | None]:
    """Let two initiators decide to open the one cycle that the policy allows, before either has."""
    one_only(desk)
    desk_services.set_policy(
        {"notional_usdt": Decimal(1000), "max_open_cycles": 1},
        actor=root(), reason="r", seen_number=2,
    )  # fmt: skip
    return queued(
        lambda: lock_desk_account("binance", "USDT"),
        lambda: open_now("one"),
        lambda: open_now("other"),
    )


def test_who_waited_for_the_desks_account_decides_again(committed_desk: TestDesk) -> None:
    got = of_two_who_decided_to_open(committed_desk)
    assert sum(isinstance(one, Cycle) for one in got) == 1
    assert Cycle.objects.count() == 1


def test_the_negative_control_without_the_lock_both_open_where_one_may(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "lock_desk_account", lambda _venue, _asset: None)
    got = of_two_who_decided_to_open(committed_desk)
    assert all(isinstance(one, Cycle) for one in got)
    assert Cycle.objects.count() == 2


def of_two_who_spend() -> list[str]:
    """Let two cycles take 70 of the desk's 100 USDT, each having seen that they suffice."""
    builders.capital("binance", "USDT", 100)
    rows = [builders.cycle(), builders.cycle()]
    checked = Meeting()

    def spend(row: Cycle) -> str:
        assert booking.desk_balance("binance", "USDT") == 100
        checked.wait()
        lines = postings.moved(
            "binance", "USDT", Decimal(70), origin=AccountOwner.DESK, target=AccountOwner.CYCLE
        )
        try:
            with transaction.atomic():
                booking.post(f"open:{row.pk}", PostingKind.OPEN, lines, cycle=row)
        except IntegrityError as error:
            return "refused" if "account_not_overdrawn" in str(error) else str(error)
        return "spent"

    return sorted(map(str, together(lambda: spend(rows[0]), lambda: spend(rows[1]))))


def test_behind_the_lock_the_database_refuses_to_overdraw_the_desk() -> None:
    assert of_two_who_spend() == ["refused", "spent"]
    assert booking.desk_balance("binance", "USDT") == 30


def test_the_negative_control_without_the_constraint_two_cycles_own_the_same_money() -> None:
    with table_without("cycles_account", "account_not_overdrawn"):
        assert of_two_who_spend() == ["spent", "spent"]
        assert booking.desk_balance("binance", "USDT") == -40
