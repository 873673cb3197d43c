"""What venues tell of our own key: read to the letter, and never taken for more than was told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exchanges.adapters.binance import key
from exchanges.adapters.krw import keys
from exchanges.adapters.upbit import rules
from exchanges.transport.decoding import UnreadableError
from exchanges.values import KeyReport
from tests.exchanges.payloads import binance

BODY = json.dumps(
    [
        {"access_key": "other", "expire_at": "2026-01-01T00:00:00+09:00"},
        {"access_key": "ours", "expire_at": "2027-01-01T00:00:00+09:00"},
    ]
).encode()


def test_the_end_of_a_korean_key_is_that_of_the_key_that_asks() -> None:
    told = keys.key_report(BODY, "upbit", "ours", has_allow_list=True)
    assert told.expires_at == datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert (told.may_trade, told.may_withdraw, told.has_allow_list) == (None, None, True)


def test_a_list_of_keys_without_ours_is_no_answer() -> None:
    with pytest.raises(UnreadableError, match="leaves out") as caught:
        keys.key_report(BODY, "upbit", "secret-of-ours", has_allow_list=None)
    assert "secret-of-ours" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "is_locked"),
    [
        ({}, None),
        ({"locked": False, "wallet_locked": False}, False),
        ({"locked": False, "wallet_locked": True}, True),
        ({"locked": True}, True),
    ],
)
def test_upbit_tells_of_locks_and_delays_of_the_account(
    member: dict[str, bool], is_locked: bool | None
) -> None:
    told = KeyReport(venue="upbit")
    limit = {"withdraw_delayed_fiat": "1000000.0"}
    body = json.dumps({"member_level": member, "withdraw_limit": limit}).encode()
    assert rules.account_held(body, told).is_locked is is_locked
    assert rules.account_held(body, told).delayed_krw == Decimal(1_000_000)
    assert rules.account_held(b"{}", told) == told


def test_binance_names_what_its_key_may_do_besides() -> None:
    told = key.key_report(binance("wallet", "get_api_key_permission"))
    assert (told.may_trade, told.may_withdraw, told.has_allow_list) == (False, False, False)
    assert told.extras == (
        "enableInternalTransfer",
        "enablePortfolioMarginTrading",
        "permitsUniversalTransfer",
    )
    assert told.expires_at is None


def test_a_permission_that_is_new_counts_and_one_to_look_does_not() -> None:
    flags = {"enableMoonTrading": True, "enableFixReadOnly": True, "enableReading": True}
    told = key.key_report(json.dumps({**flags, "tradingAuthorityExpirationTime": 0}).encode())
    assert told.extras == ("enableMoonTrading",)
    assert told.may_withdraw is None
    assert told.expires_at == datetime(1970, 1, 1, tzinfo=UTC)
