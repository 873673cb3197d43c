"""Each scenario does what its name says: a claim for every name in the library, over the simulator's core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.core.scenarios.library import SCENARIOS
from exchanges.simulator.core.values import Fault, Reply
from tests.exchanges.simulator.speaking import Speaker, new_simulator

UPBIT_ORDER = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
BINANCE_ORDER = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "20"}
APPLY = "/sapi/v1/capital/withdraw/apply"
PENDING, ACCEPTED = "TRAVEL_RULE_SUSPECTED", "ACCEPTED"


def at_market(speaker: Speaker, minutes: float) -> None:
    """Let time pass until a market instant."""
    timeline = speaker.simulator.world.timeline
    left_ms = minutes * 60_000 - timeline.market_ms
    speaker.wait(left_ms / 1000 / float(timeline.speed))


def struck(speaker: Speaker) -> dict[str, int]:
    return dict(speaker.control("GET", "/control/scenario").body["faults"])


def sent(speaker: Speaker, quantity: str = "50", to: str = "upbit", **more: str) -> Reply | Fault:
    """Ask Binance to send XRP."""
    where = speaker.address(to, "XRP")
    coins = {"coin": "XRP", "network": "XRP", "amount": quantity}
    address = {"address": where["address"], "addressTag": where["tag"]}
    return speaker.binance_raw("POST", APPLY, **coins, **address, **more)


def body_of(reply: Reply | Fault) -> Any:
    assert isinstance(reply, Reply)
    return reply.body.decode()


def deposits(speaker: Speaker) -> list[Any]:
    return list(speaker.upbit("GET", "/v1/deposits", currency="XRP").body)


def has_large_deposit(speaker: Speaker) -> Any:
    """Send Upbit more than a million won's worth, and give the deposit."""
    speaker.credit("binance", "XRP", "1000")
    sent(speaker, "900")
    speaker.wait(5)
    return deposits(speaker)[0]


def verify(speaker: Speaker, deposit: Any) -> None:
    vasps = speaker.upbit("GET", "/v1/travel_rule/vasps").body
    vasp = next(row["vasp_uuid"] for row in vasps if row["vasp_name"] == "Binance")
    told = {"deposit_uuid": deposit["uuid"], "vasp_uuid": vasp}
    speaker.upbit_raw("POST", "/v1/travel_rule/deposit/uuid", **told)


def orders(speaker: Speaker, count: int) -> Iterator[Reply | Fault]:
    """Place so many orders at Upbit and as many at Binance."""
    for number in range(count):
        speaker.wait(0.5)
        yield speaker.upbit_raw("POST", "/v1/orders", **UPBIT_ORDER)
        named = {**BINANCE_ORDER, "newClientOrderId": f"n{number}"}
        yield speaker.binance_raw("POST", "/api/v3/order", **named)


def nothing_goes_wrong(speaker: Speaker) -> None:
    replies = list(orders(speaker, 60))
    assert {reply.status for reply in replies if isinstance(reply, Reply)} == {200, 201}
    at_market(speaker, 24 * 60)
    assert (struck(speaker), speaker.rows("spell_began")) == ({}, [])
    placed = speaker.binance("POST", "/api/v3/order", **BINANCE_ORDER).body
    seen = {"symbol": "XRPUSDT", "orderId": placed["orderId"]}
    assert speaker.binance("GET", "/api/v3/order", **seen).status == 200  # nothing lags


def limits_are_the_venues_own(speaker: Speaker) -> None:
    speaker.wait(1)
    asked = [speaker.public("upbit", "/v1/ticker", "markets=KRW-XRP").status for _ in range(11)]
    assert asked == [200] * 10 + [429]
    assert struck(speaker) == {}


def some_cycles_die_each_in_another_way(speaker: Speaker) -> None:
    kept = [reply for reply in orders(speaker, 150) if isinstance(reply, Reply)]
    assert {"F4", "F7"} <= set(struck(speaker))
    assert any("market_offline" in body_of(reply) for reply in kept)
    speaker.credit("binance", "XRP", "1000")
    stranded = sent(speaker, withdrawOrderId=f"k{'a' * 25}i02001")
    assert "-4019" in body_of(stranded)
    assert isinstance(sent(speaker, withdrawOrderId=f"k{'a' * 25}q02001"), Fault)
    assert "id" in body_of(sent(speaker, withdrawOrderId=f"k{'a' * 25}b02001"))


def prices_stray_and_orders_fill_late_and_in_part(speaker: Speaker) -> None:
    world = speaker.simulator.world
    away = []
    for second in range(0, 1800, 5):
        recorded = world.recording.price("binance", "XRP", second * 1000)
        away.append(world.price("binance", "XRP", second * 1000) / recorded - 1)
    assert min(away) < Decimal("-0.008") < Decimal("0.008") < max(away)
    speaker.wait(5)
    limit = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}
    order = {**limit, "quantity": "100", "price": "5", "newClientOrderId": "v"}
    speaker.binance("POST", "/api/v3/order", **order)
    speaker.wait(5)
    (row,) = speaker.control("GET", "/control/orders").body
    assert 0 < Decimal(row["executed"]) < 100


def a_wallet_closes_mid_cycle_and_opens_again(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "1000")
    assert "id" in body_of(sent(speaker))
    at_market(speaker, 11)
    assert "-4019" in body_of(sent(speaker))
    at_market(speaker, 41)
    assert "id" in body_of(sent(speaker))


def a_large_deposit_is_held_until_verified_or_let_go(speaker: Speaker) -> None:
    first = has_large_deposit(speaker)
    assert first["state"] == PENDING
    verify(speaker, first)
    assert deposits(speaker)[0]["state"] == ACCEPTED
    second = has_large_deposit(speaker)
    assert second["state"] == PENDING
    at_market(speaker, 6 * 60)  # their support takes three hours, by half more or less
    assert [row["state"] for row in deposits(speaker)] == [ACCEPTED] * 2


def a_large_deposit_stays_held_whatever_is_told(speaker: Speaker) -> None:
    held = has_large_deposit(speaker)
    verify(speaker, held)
    at_market(speaker, 24 * 60)
    assert deposits(speaker)[0]["state"] == PENDING


def withdrawals_want_a_questionnaire(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "1000")
    assert "-4104" in body_of(sent(speaker))


def each_venue_goes_in_each_way_and_comes_back(speaker: Speaker) -> None:
    told = []
    for minute in (19, 21, 41, 51, 57, 96, 100):
        at_market(speaker, minute)
        reply = speaker.upbit_raw("POST", "/v1/orders", **UPBIT_ORDER)
        refuses = speaker.simulator.faults.refuses_connections("upbit")
        told.append("shut" if refuses else reply.status if isinstance(reply, Reply) else "spoilt")
    assert told == [201, 503, 201, "shut", 201, 503, 201]
    at_market(speaker, 24 * 60)
    gone = {str(row["does"]).split()[0] for row in speaker.rows("spell_began")}
    assert gone == {"upbit", "binance", "bithumb"}


def some_replies_are_lost_and_some_of_those_were_accepted(speaker: Speaker) -> None:
    replies = list(orders(speaker, 200))
    told = sum(1 for reply in replies if isinstance(reply, Reply) and reply.status < 300)
    accepted = len(speaker.control("GET", "/control/orders").body)
    assert told < accepted < len(replies)
    assert sum(struck(speaker).values()) > len(replies) / 15


def all_of_it_happens_within_a_day(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "100000")
    for number in range(120):
        at_market(speaker, number * 12)
        list(orders(speaker, 1))
        sent(speaker, withdrawOrderId=f"w{number}")
        speaker.upbit_raw("GET", "/v1/accounts")
        speaker.binance_raw("GET", "/api/v3/account")
    ways = {"F3", "F4", "F7", "F13", "F14", "F18", "F24", "F27", "F28", "F29", "F30", "F37"}
    assert ways <= set(struck(speaker))
    begun = {str(row["does"]) for row in speaker.rows("spell_began")}
    assert begun == {spell.does for spell in SCENARIOS["chaos"].spells}
    assert "support" in speaker.kinds()
    assert speaker.simulator.problems() == []


def no_limit_is_ever_met(speaker: Speaker) -> None:
    asked = {speaker.public("upbit", "/v1/ticker", "markets=KRW-XRP").status for _ in range(100)}
    assert asked == {200}


def reads_trail_what_happened(speaker: Speaker) -> None:
    speaker.wait(10)
    speaker.binance("POST", "/api/v3/order", **BINANCE_ORDER, newClientOrderId="l1")
    query = {"symbol": "XRPUSDT", "origClientOrderId": "l1"}
    seen = []
    for wait in (0, 1, 3):
        speaker.wait(wait)
        seen.append(speaker.binance("GET", "/api/v3/order", **query).body.get("code"))
    assert seen == [-2013, -2013, None]


def orders_fill_late_and_to_three_fifths(speaker: Speaker) -> None:
    speaker.wait(5)
    limit = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}
    order = {**limit, "quantity": "10", "price": "5", "newClientOrderId": "s1"}
    speaker.binance("POST", "/api/v3/order", **order)
    filled = []
    for wait in (0.2, 0.3):  # of a market sixty times as fast
        speaker.wait(wait)
        filled.append(speaker.control("GET", "/control/orders").body[0]["executed"])
    assert [Decimal(quantity) for quantity in filled] == [0, 6]


def fees_are_taken_in_bnb(speaker: Speaker) -> None:
    speaker.credit("binance", "BNB", "1")
    reply = speaker.binance("POST", "/api/v3/order", **BINANCE_ORDER, newOrderRespType="FULL").body
    assert {fill["commissionAsset"] for fill in reply["fills"]} == {"BNB"}


def nothing_leaves_bithumb_without_consent(speaker: Speaker) -> None:
    speaker.credit("bithumb", "XRP", "1000")
    to = speaker.address("binance", "XRP")
    reply = speaker.bithumb(
        "POST", "/v1/withdraws/coin", currency="XRP", net_type="XRP", amount="50",
        address=to["address"], secondary_address=to["tag"], exchange_name="Binance",
        receiver_type="personal", receiver_ko_name="김치", receiver_en_name="Kim Chi",
    )  # fmt: skip
    assert reply.body["error"]["name"] == "travel_rule_consent_required"


def an_address_is_shown_some_time_after_it_was_asked_for(speaker: Speaker) -> None:
    key = {"currency": "XRP", "net_type": "XRP"}
    speaker.upbit("POST", "/v1/deposits/generate_coin_address", **key)
    shown = []
    for wait in (0, 1):
        speaker.wait(wait)
        shown.append(speaker.upbit("GET", "/v1/deposits/coin_address", **key).status)
    assert shown == [404, 200]


CLAIMS: dict[str, Callable[[Speaker], None]] = {
    "calm": nothing_goes_wrong,
    "default": limits_are_the_venues_own,
    "rehearsal": some_cycles_die_each_in_another_way,
    "volatile": prices_stray_and_orders_fill_late_and_in_part,
    "wallet-closed": a_wallet_closes_mid_cycle_and_opens_again,
    "travel-rule": a_large_deposit_is_held_until_verified_or_let_go,
    "travel-rule-refused": a_large_deposit_stays_held_whatever_is_told,
    "local-entity": withdrawals_want_a_questionnaire,
    "venue-down": each_venue_goes_in_each_way_and_comes_back,
    "lost-replies": some_replies_are_lost_and_some_of_those_were_accepted,
    "chaos": all_of_it_happens_within_a_day,
    "unlimited": no_limit_is_ever_met,
    "lagging": reads_trail_what_happened,
    "slow-fills": orders_fill_late_and_to_three_fifths,
    "bnb-fees": fees_are_taken_in_bnb,
    "consent": nothing_leaves_bithumb_without_consent,
    "new-addresses": an_address_is_shown_some_time_after_it_was_asked_for,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_does_what_its_name_says(name: str) -> None:
    CLAIMS[name](Speaker(new_simulator(scenario=name, seed=2)))
