"""One script of thirty steps, through ccxt and through our adapters, ends with the same money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.server import start_in_thread
from tests.oracle.desks import AdapterDesk, CcxtDesk, Desk, Placing
from tests.oracle.script import STEPS, Step, begin
from tests.oracle.stage import Stage
from tests.oracle.talking import Client

SEED = 11
TOUCHED = Step(
    "sell at market",
    lambda desk: desk.place(
        Placing(
            venue="upbit", side="sell", kind="market", quantity="49.87654322", client_id="ret-2"
        )
    ),
)


@dataclass(frozen=True)
class Run:
    """What one client was told step by step, and what the venues hold at the end."""

    told: dict[str, Any]
    balances: dict[str, Any]
    requests: dict[tuple[str, str], int]


@contextmanager
def new_stage() -> Iterator[Stage]:
    with start_in_thread() as running:
        stage = Stage(running, seed=SEED)
        yield stage
        assert stage.control("/control/invariants")["problems"] == []


def run(stage: Stage, desk: Desk, steps: Sequence[Step] = STEPS) -> Run:
    begin(stage)
    told = {}
    for step in steps:
        told[step.name] = step.act(desk)
        step.then(stage)
    sent: dict[tuple[str, str], int] = {}
    for row in stage.control("/control/requests"):
        if row["method"] != "GET":
            key = (row["method"], row["path"])
            sent[key] = sent.get(key, 0) + 1
    return Run(told, stage.balances(), sent)


@pytest.fixture(scope="session")
def through_ccxt(ccxt_process: Client) -> Run:
    with new_stage() as stage:
        return run(stage, CcxtDesk(ccxt_process, stage.accounts))


@pytest.fixture(scope="session")
def through_adapters() -> Run:
    with new_stage() as stage, closing(AdapterDesk(stage.accounts)) as desk:
        return run(stage, desk)


def test_the_script_has_thirty_steps() -> None:
    assert len({step.name for step in STEPS}) == 30


def test_every_account_ends_with_the_same_money_to_the_last_digit(
    through_ccxt: Run, through_adapters: Run
) -> None:
    assert through_ccxt.balances == through_adapters.balances
    assert through_ccxt.balances["upbit"]["XRP"]["free"] not in {"0", ""}


@pytest.mark.parametrize("name", [step.name for step in STEPS])
def test_both_clients_are_told_the_same(
    name: str, through_ccxt: Run, through_adapters: Run
) -> None:
    assert through_ccxt.told[name] == through_adapters.told[name]


def test_both_clients_sent_as_many_requests_that_change_something(
    through_ccxt: Run, through_adapters: Run
) -> None:
    assert through_ccxt.requests == through_adapters.requests
    assert through_adapters.requests["POST", "/api/v3/order"] == 6
    assert through_adapters.requests["POST", "/v1/withdraws/coin"] == 1


def test_the_script_meets_what_it_is_meant_to_meet(through_adapters: Run) -> None:
    told = through_adapters.told
    assert told["look it up by client id"].fills == (
        (Decimal("2.5"), Decimal(100)),
        (Decimal("2.501"), Decimal(200)),
    )
    assert told["see the partial fill"].executed == Decimal("60.5")
    assert told["see it open"].is_open
    assert not told["see it gone without a fill"].is_open
    assert told["see the market come to it"].executed == Decimal(15)
    assert told["see what stays of it"].executed == Decimal(15)
    assert told["see the withdrawal pending"] == [(Decimal("350.123456"), "pending")]
    assert told["see the deposit credited"] == [(Decimal("350.123456"), "ok")]
    assert told["see them come home"] == [(Decimal("100.25"), "ok")]


def test_one_digit_more_in_one_order_ends_with_other_money(through_adapters: Run) -> None:
    steps = [TOUCHED if step.name == TOUCHED.name else step for step in STEPS]
    with new_stage() as stage, closing(AdapterDesk(stage.accounts)) as desk:
        other = run(stage, desk, steps)
    assert other.balances != through_adapters.balances
