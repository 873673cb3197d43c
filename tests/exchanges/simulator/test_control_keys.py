"""A key's scopes, allow-list, end and withdrawal block are the control port's to change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker

VENUES = ("binance", "upbit", "bithumb")
DAY_MS = 86_400_000


def change(speaker: Speaker, venue: str, **what: Any) -> Any:
    return speaker.control("POST", "/control/keys", venue=venue, **what)


def accounts(speaker: Speaker, venue: str) -> Any:
    if venue == "binance":
        return speaker.binance("GET", "/api/v3/account")
    return getattr(speaker, venue)("GET", "/v1/accounts")


@pytest.mark.parametrize("venue", VENUES)
def test_a_key_ends_at_its_instant(speaker: Speaker, venue: str) -> None:
    change(speaker, venue, expires_in_ms=DAY_MS)
    assert accounts(speaker, venue).status == 200
    change(speaker, venue, expires_in_ms=-1)
    assert accounts(speaker, venue).status in {400, 401}


@pytest.mark.parametrize("venue", VENUES)
def test_only_listed_addresses_may_call(speaker: Speaker, venue: str) -> None:
    change(speaker, venue, addresses=["192.0.2.1"])
    assert accounts(speaker, venue).status in {400, 401}
    change(speaker, venue, addresses=[])
    assert accounts(speaker, venue).status == 200


@pytest.mark.parametrize("venue", ["upbit", "bithumb"])
@pytest.mark.parametrize(
    ("view", "path"),
    [
        ("assets", "/v1/accounts"),
        ("orders", "/v1/order"),
        ("withdrawals", "/v1/withdraws"),
        ("deposits", "/v1/deposits"),
    ],
)
def test_korean_views_are_granted_one_by_one(
    speaker: Speaker, venue: str, view: str, path: str
) -> None:
    change(speaker, venue, withheld=[view])
    ask = getattr(speaker, venue)
    told = ask("GET", path).body
    assert isinstance(told, dict)
    assert told["error"]["name"] == "out_of_scope"
    assert ask("GET", "/v1/status/wallet").status == 200
    assert ask("GET", "/v1/api_keys").status == 200


def test_upbits_block_stops_withdrawals_and_nothing_else(speaker: Speaker) -> None:
    change(speaker, "upbit", has_withdrawal_block=True)
    for method in ("POST", "DELETE"):
        refused = speaker.upbit(method, "/v1/withdraws/coin", currency="XRP")
        assert (refused.status, refused.body["error"]["name"]) == (403, "open_api_withdraw_locked")
    assert speaker.upbit("GET", "/v1/withdraws").status == 200


def test_binance_tells_what_its_key_may_do_besides(speaker: Speaker) -> None:
    change(speaker, "binance", extras=["enableMargin"], has_allow_list=False, permissions=["read"])
    told = speaker.binance("GET", "/sapi/v1/account/apiRestrictions").body
    assert (told["enableMargin"], told["enableFutures"]) == (True, False)
    assert (told["ipRestrict"], told["enableWithdrawals"]) == (False, False)
