"""The policy is versioned: every change is checked, audited, and leaves open cycles theirs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.words import Sizing
from cycles.errors import InvalidInputError, PermissionDeniedError, StaleVersionError
from cycles.models import Intervention, PolicyVersion
from cycles.services import desk
from tests import builders
from tests.desk import operator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def first() -> PolicyVersion:
    """Give the first version."""
    builders.desk()
    return builders.policy()


def change(**changes: object) -> PolicyVersion:
    """Write the next version."""
    return desk.set_policy(changes, actor=operator(), reason="calmer", seen_number=1)


def test_a_change_is_a_new_version_that_keeps_the_rest(first: PolicyVersion) -> None:
    new = change(notional_usdt=Decimal(700), sizing=Sizing.PERCENTAGE)
    assert (new.number, new.created_by, new.reason) == (2, "alice", "calmer")
    assert (new.notional_usdt, new.sizing) == (700, "PERCENTAGE")
    assert new.max_slippage_bps == first.max_slippage_bps
    assert desk.current_policy() == new
    first.refresh_from_db()
    assert first.notional_usdt == 5000


def test_open_cycles_keep_the_version_they_were_opened_under() -> None:
    row = builders.cycle()
    change(max_slippage_bps=Decimal(1))
    row.refresh_from_db()
    assert row.policy.number == 1


def test_a_change_leaves_what_it_changed_in_the_audit() -> None:
    change(notional_usdt=Decimal(700))
    made = Intervention.objects.get()
    assert (made.verb, made.reason) == ("set_policy", "calmer")
    assert set(made.payload) == {"notional_usdt"}
    assert Decimal(made.payload["notional_usdt"]["to"]) == 700


def test_each_wrong_field_is_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        change(notional_usdt="plenty", sizing="HUGE", min_open_edge_bps=Decimal(5))
    assert "notional_usdt" in str(caught.value)
    assert "sizing" in str(caught.value)
    assert "min_open_edge_bps" not in str(caught.value)
    assert PolicyVersion.objects.count() == 1


@pytest.mark.parametrize("field", ["nonsense", "number", "created_by"])
def test_what_is_no_field_of_the_policy_is_refused(field: str) -> None:
    with pytest.raises(InvalidInputError, match=field):
        change(**{field: 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"notional_usdt": -1},
        {"percentage": 101},
        {"opening_rule": "BY_HAND"},
        {"allowed_assets": ["XRP", "ZZZ"]},
        {"max_book_age_seconds": 0},
    ],
)
def test_what_the_database_would_refuse_is_told_before(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(changes))):
        change(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calm_cap_seconds": 1}, "calm_cap_seconds: must be at least the base, 300 s"),
        ({"urgent_base_seconds": 61}, "urgent_cap_seconds: must be at least the base, 61 s"),
        ({"urgent_attempts": 0}, "urgent_attempts: must be above zero: with coins in hand"),
        ({"notional_usdt": Decimal("0.009")}, "notional_usdt: must be 0.01 or more"),
        ({"notional_usdt": 0}, "notional_usdt: must be 0.01 or more .* max_open_cycles to 0"),
    ],
    ids=str,
)
def test_what_contradicts_itself_or_stops_the_desk_unsaid_is_refused(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        change(**changes)
    assert PolicyVersion.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"max_open_cycles": 0},
        {"calm_base_seconds": 300, "calm_cap_seconds": 300},
        {"sizing": "PERCENTAGE", "notional_usdt": 0},
    ],
    ids=str,
)
def test_what_says_what_it_does_is_put_into_force(changes: dict[str, object]) -> None:
    assert change(**changes).number == 2


def test_an_older_version_that_contradicts_itself_stays_in_force_until_it_is_mended() -> None:
    builders.policy(notional_usdt=0, urgent_attempts=0, calm_cap_seconds=1)
    assert desk.limits(desk.current_policy()).notional_usdt == 0
    mended = {"notional_usdt": 900, "urgent_attempts": 1, "calm_cap_seconds": 300}
    new = desk.set_policy(mended, actor=operator(), reason="mended", seen_number=2)
    assert new.number == 3


def test_a_change_of_a_version_that_is_no_longer_newest_is_stale() -> None:
    change(notional_usdt=Decimal(700))
    with pytest.raises(StaleVersionError):
        change(notional_usdt=Decimal(800))
    assert PolicyVersion.objects.count() == 2


def test_who_may_not_change_the_policy_does_not() -> None:
    with pytest.raises(PermissionDeniedError):
        desk.set_policy(
            {"notional_usdt": 1}, actor=operator("vera", "viewer"), reason="r", seen_number=1
        )
    assert PolicyVersion.objects.count() == 1
