"""Scenarios: each can be played, comes and goes by the market clock, and is the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanges.simulator.candles import load_tape
from exchanges.simulator.core.scenarios import playing
from exchanges.simulator.core.scenarios.library import SCENARIOS, UnknownScenarioError
from exchanges.simulator.core.scenarios.scenario import Scenario, Spell
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.values import Fault
from exchanges.simulator.state import StateFile
from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, new_simulator
from tests.exchanges.simulator.test_determinism import trade_and_send

DAY_S = 86_400
ORDER = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "100000"}
WANTED = {
    *("calm", "default", "volatile", "wallet-closed", "travel-rule", "venue-down", "lost-replies"),
    *("chaos", "rehearsal", "unlimited", "lagging", "new-addresses"),
}


def on_stage(scenario: str, *, speed: int = 60, seed: int = 1) -> Speaker:
    return Speaker(new_simulator(scenario=scenario, speed=speed, seed=seed))


def at_market(speaker: Speaker, market_s: int) -> None:
    """Let time pass until a market instant."""
    timeline = speaker.simulator.world.timeline
    speaker.wait((market_s * 1000 - timeline.market_ms) / 1000 / float(timeline.speed))


def played(speaker: Speaker) -> Any:
    return speaker.control("GET", "/control/scenario").body


def spells() -> Iterator[tuple[Scenario, Spell]]:
    yield from ((one, spell) for one in SCENARIOS.values() for spell in one.spells)


def test_the_library_has_the_scenarios_that_are_asked_for() -> None:
    assert set(SCENARIOS) >= WANTED


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_day_passes_in_every_scenario_and_money_is_conserved(name: str) -> None:
    speaker = on_stage(name)
    trade = trade_and_send if name in {"calm", "unlimited"} else None
    if trade is not None:
        trade(speaker, 3)
    at_market(speaker, DAY_S)
    assert speaker.simulator.problems() == []
    assert played(speaker)["scenario"] == name
    assert set(played(speaker)["spells"]) == {spell.does for spell in SCENARIOS[name].spells}


def test_every_spell_is_over_before_it_can_come_again() -> None:
    overlapping = [
        (scenario.name, spell.does)
        for scenario, spell in spells()
        if not 0 < spell.lasts_s < spell.every_s
    ]
    assert overlapping == []
    assert all(spell.begins or spell.rules for _, spell in spells())


def test_a_name_that_nobody_knows_gets_a_sentence_with_all_names() -> None:
    told = f"there is no scenario 'nope': {', '.join(SCENARIOS)}"
    with pytest.raises(UnknownScenarioError) as raised:
        new_simulator(scenario="nope")
    assert raised.value.args == (told,)
    speaker = on_stage("calm")
    for path, word in (("/control/reset", "scenario"), ("/control/scenario", "name")):
        reply = speaker.control("POST", path, **{word: "nope"})
        assert (reply.status, reply.body) == (400, {"error": told})
    assert played(speaker)["scenario"] == "calm"


def test_a_venue_goes_and_comes_back_at_its_hours_and_again_later() -> None:
    speaker = on_stage("venue-down")
    at_market(speaker, 19 * 60)
    assert speaker.upbit("POST", "/v1/orders", **ORDER).status == 201
    at_market(speaker, 21 * 60)
    assert "upbit is under maintenance" in played(speaker)["running"]
    refused = speaker.upbit("POST", "/v1/orders", **ORDER)
    assert (refused.status, refused.body["error"]["name"]) == (503, "market_offline")
    at_market(speaker, 41 * 60)
    assert speaker.upbit("POST", "/v1/orders", **ORDER).status == 201
    at_market(speaker, DAY_S)
    assert played(speaker)["spells"]["upbit is under maintenance"] >= 5


def test_a_port_that_is_to_refuse_does_so_only_meanwhile() -> None:
    speaker = on_stage("venue-down")
    closed = []
    for minute in (49, 51, 57):
        at_market(speaker, minute * 60)
        closed.append(speaker.simulator.faults.refuses_connections("upbit"))
    assert closed == [False, True, False]


def test_a_wallet_closes_behind_its_status_page_and_opens_again() -> None:
    speaker = on_stage("wallet-closed")
    wallet = speaker.simulator.world.networks["SOL", "SOL"].wallets["upbit"]
    at_market(speaker, 20 * 60 + 60)
    rows = speaker.upbit("GET", "/v1/status/wallet").body
    told = next(row for row in rows if row["currency"] == "SOL")
    assert (wallet.can_deposit, told["wallet_state"]) == (False, "working")
    at_market(speaker, 20 * 60 + 200)
    rows = speaker.upbit("GET", "/v1/status/wallet").body
    assert next(row for row in rows if row["currency"] == "SOL")["wallet_state"] != "working"
    at_market(speaker, 51 * 60)
    assert wallet.can_deposit


def test_lost_replies_strike_about_as_often_as_they_say() -> None:
    speaker = on_stage("lost-replies")
    sent = 600
    for _ in range(sent):
        speaker.wait(0.5)
        speaker.upbit_raw("POST", "/v1/orders", **{**ORDER, "price": "10000"})
    struck = played(speaker)["faults"]
    assert set(struck) == {f"F{number}" for number in range(1, 10)}
    assert 0.09 < sum(struck.values()) / sent < 0.21
    assert speaker.simulator.problems() == []


@pytest.mark.parametrize("name", ["chaos", "venue-down", "volatile"])
def test_the_same_seed_and_requests_give_the_same_history(name: str) -> None:
    journals = []
    for _ in range(2):
        speaker = on_stage(name, seed=5)
        spoilt_trade(speaker)
        journals.append(speaker.simulator.world.journal.lines())
    assert journals[0] == journals[1]
    other = on_stage(name, seed=6)
    spoilt_trade(other)
    assert other.simulator.world.journal.lines() != journals[0]


def spoilt_trade(speaker: Speaker) -> None:
    """Buy and send whatever becomes of the replies."""
    speaker.credit("upbit", "XRP", "5000")
    to = speaker.address("binance", "XRP")
    request = {"currency": "XRP", "net_type": "XRP", "amount": "30", "address": to["address"]}
    for number in range(60):
        speaker.wait(7)
        speaker.nonces += [f"a{number}", f"b{number}"]
        speaker.upbit_raw("POST", "/v1/orders", **ORDER)
        speaker.upbit_raw("POST", "/v1/withdraws/coin", **request, secondary_address=to["tag"])
    speaker.wait(600)


@pytest.mark.parametrize("name", ["chaos", "wallet-closed"])
def test_spells_do_not_depend_on_how_often_time_is_advanced(name: str) -> None:
    journals = []
    for step_ms in (1_000, 97_000):
        speaker = on_stage(name)
        for wall_ms in range(BEGIN_MS, BEGIN_MS + 600_001, step_ms):
            speaker.simulator.advance_to(wall_ms)
        speaker.simulator.advance_to(BEGIN_MS + 600_000)
        journals.append(speaker.simulator.world.journal.lines())
    assert journals[0] == journals[1]
    assert b"spell_began" in journals[0]


def test_another_scenario_undoes_what_the_present_one_changed_for_a_while() -> None:
    speaker = on_stage("chaos")
    world = speaker.simulator.world
    own = {"venue": "upbit", "fault": "F14", "when": "once"}
    speaker.control("POST", "/control/faults", **own)
    at_market(speaker, 21 * 60)
    assert world.maintenance["upbit"]
    assert world.skew_ms["binance"] == 400
    speaker.control("POST", "/control/scenario", name="calm")
    assert [rule.fault for rule in speaker.simulator.faults.rules] == ["F14"]
    at_market(speaker, DAY_S)
    assert world.maintenance == {"upbit": False}
    assert world.skew_ms["binance"] == 0
    assert all(
        wallet.can_deposit and wallet.can_withdraw
        for network in world.networks.values()
        for wallet in network.wallets.values()
    )
    assert world.settings.depth_times == 5


def test_a_reset_keeps_the_scenario_unless_another_is_named() -> None:
    speaker = on_stage("venue-down")
    speaker.control("POST", "/control/reset", seed=9)
    at_market(speaker, 21 * 60)
    assert played(speaker)["running"] == ["upbit is under maintenance"]
    speaker.control("POST", "/control/reset", scenario="calm")
    at_market(speaker, 25 * 60)
    assert (played(speaker)["scenario"], played(speaker)["running"]) == ("calm", [])


def kept(path: Path, scenario: str, chosen: str | None = None) -> Simulator:
    simulator = new_simulator(scenario=scenario, seed=5)
    StateFile(path, simulator, load_tape, scenario=chosen)
    return simulator


def test_a_world_that_was_killed_within_a_spell_goes_on_within_it(tmp_path: Path) -> None:
    speaker = Speaker(kept(tmp_path / "sim.state", "venue-down"))
    at_market(speaker, 51 * 60)
    speaker.credit("upbit", "XRP", "1")  # the log's last word
    again = kept(tmp_path / "sim.state", "default")
    again.advance_to(speaker.wall_ms)
    assert again.world.journal.lines() == speaker.simulator.world.journal.lines()
    assert again.world.play == speaker.simulator.world.play
    assert again.faults.refuses_connections("upbit")
    again.advance_to(speaker.wall_ms + 6_000)
    assert not again.faults.refuses_connections("upbit")


def test_the_rules_of_a_kept_world_are_in_force_once(tmp_path: Path) -> None:
    first = kept(tmp_path / "sim.state", "lost-replies")
    again = kept(tmp_path / "sim.state", "rehearsal")
    assert [rule.fault for rule in again.faults.rules] == [r.fault for r in first.faults.rules]


def test_a_kept_world_takes_up_the_scenario_that_is_named(tmp_path: Path) -> None:
    first = Speaker(kept(tmp_path / "sim.state", "venue-down"))
    first.credit("upbit", "XRP", "7")
    at_market(first, 21 * 60)
    first.credit("upbit", "XRP", "1")
    again = kept(tmp_path / "sim.state", "calm", "calm")
    assert again.world.play.scenario == "calm"
    assert again.world.maintenance == {"upbit": False}
    assert again.world.free("upbit", "XRP") == 8
    third = kept(tmp_path / "sim.state", "default")
    assert third.world.play.scenario == "calm"


def test_a_scenario_of_another_version_is_played_as_an_empty_one(tmp_path: Path) -> None:
    first = kept(tmp_path / "sim.state", "venue-down")
    first.world.play.scenario = "forgotten"
    StateFile(tmp_path / "sim.state", first, load_tape)
    first.advance_to(BEGIN_MS + 60_000)
    assert first.faults.rules == []
    playing.adopt(first, "calm")
    assert first.world.play.scenario == "calm"


# What a volatile market is like


def prices(speaker: Speaker, venue: str, asset: str, minutes: int = 30) -> list[Decimal]:
    world = speaker.simulator.world
    return [world.price(venue, asset, second * 1000) for second in range(0, minutes * 60, 5)]


def test_volatile_prices_stray_both_ways_within_seconds_and_at_each_venue_by_its_own_way() -> None:
    plain, wild = on_stage("default"), on_stage("volatile")
    strays = {}
    for venue in ("upbit", "binance"):
        pairs = zip(prices(plain, venue, "XRP"), prices(wild, venue, "XRP"), strict=True)
        strays[venue] = [(there / here - 1) * 10_000 for here, there in pairs]
    assert max(strays["upbit"]) > 80
    assert min(strays["upbit"]) < -80
    steps = [abs(b - a) for a, b in zip(strays["upbit"], strays["upbit"][1:], strict=False)]
    assert max(steps) > 50  # within five seconds
    apart = [abs(a - b) for a, b in zip(strays["upbit"], strays["binance"], strict=True)]
    assert max(apart) > 15  # the premium moves too


def top(speaker: Speaker) -> tuple[Decimal, Decimal]:
    """Give the spread in bps and the notional of the whole side of a book."""
    body = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT&limit=100").body
    bid, ask = Decimal(body["bids"][0][0]), Decimal(body["asks"][0][0])
    depth = sum((Decimal(p) * Decimal(q) for p, q in body["asks"]), Decimal(0))
    return (ask / bid - 1) * 10_000, depth


def test_books_are_thin_and_wide_in_the_volatile_scenario_and_deep_in_the_calm_one() -> None:
    (usual_spread, usual), (wide, thin), (_, deep) = (
        top(on_stage(name)) for name in ("default", "volatile", "calm")
    )
    assert wide > usual_spread * 2
    assert thin < usual / 8
    assert deep > usual * 4


def test_a_large_order_slips_in_the_volatile_scenario_more_than_in_the_calm_one() -> None:
    paid = {}
    for name in ("calm", "volatile"):
        speaker = on_stage(name)
        order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "20000"}
        best = Decimal(
            speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT").body["asks"][0][0]
        )
        speaker.binance("POST", "/api/v3/order", **order, newClientOrderId="s")
        speaker.wait(1)
        row = speaker.control("GET", "/control/orders").body[0]
        paid[name] = Decimal(row["executed_notional"]) / Decimal(row["executed"]) / best
    assert paid["volatile"] > paid["calm"] * Decimal("1.001")


# What the venues' support does


def send(speaker: Speaker) -> None:
    speaker.credit("upbit", "XRP", "100")
    to = speaker.address("binance", "XRP")
    request = {"currency": "XRP", "net_type": "XRP", "amount": "50", "address": to["address"]}
    reply = speaker.upbit_raw("POST", "/v1/withdraws/coin", **request, secondary_address=to["tag"])
    assert not isinstance(reply, Fault)


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("F28", "stuck"),
        ("F28", "stuck_with_txid"),
        ("F29", "late"),
        ("F29", "locked"),
        ("F30", "suspected"),
    ],
)
@pytest.mark.parametrize("hours", [0, 2])
def test_what_is_stuck_or_held_is_mended_by_the_support_or_never(
    fault: str, value: str, hours: int
) -> None:
    speaker = on_stage("unlimited")
    speaker.control("POST", "/control/settings", support_ms=hours * 3_600_000)
    speaker.fault(fault, "upbit", args={"value": value}, when="once")
    send(speaker)

    def is_whole() -> bool:
        (row,) = speaker.control("GET", "/control/transfers").body["deposits"] or [{"state": ""}]
        return bool(row["state"] == "credited")

    at_market(speaker, 59 * 60)
    assert not is_whole()
    at_market(speaker, 4 * 3600)
    assert is_whole() is bool(hours)
    assert speaker.simulator.problems() == []


def test_the_support_leaves_alone_what_was_seen_to_before() -> None:
    speaker = on_stage("unlimited")
    speaker.control("POST", "/control/settings", support_ms=3_600_000)
    speaker.fault("F28", "upbit", when="once")
    send(speaker)
    at_market(speaker, 600)
    (row,) = speaker.control("GET", "/control/transfers").body["withdrawals"]
    speaker.control(
        "POST", "/control/chain", action="release", withdrawal_id=row["venue_withdrawal_id"]
    )
    at_market(speaker, 4 * 3600)
    assert "support" not in speaker.kinds()
    assert speaker.kinds().count("broadcast") == 1
