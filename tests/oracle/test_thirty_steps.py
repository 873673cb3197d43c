"""One script of thirty steps, through ccxt and through our adapters, ends with the same money.

It runs twice, with Upbit and with Bithumb as the Korean venue; desks.py says where ccxt needs a raw call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.server import start_in_thread
from tests.oracle.desks import AdapterDesk, CcxtDesk, Desk, Placing
from tests.oracle.script import Step, begin, steps
from tests.oracle.stage import Stage
from tests.oracle.talking import Client

SEED = 11
KOREAN = ("upbit", "bithumb")
NAMES = [step.name for step in steps(KOREAN[0])]
ORDERS = {"upbit": "/v1/orders", "bithumb": "/v2/orders"}


def touched(korean: str) -> Step:
    """Return one of the steps with one digit more."""
    order = Placing(
        venue=korean, side="sell", kind="market", quantity="49.87654322", client_id="ret-2"
    )
    return Step("sell at market", lambda desk: desk.place(order))


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


def run(stage: Stage, desk: Desk, korean: str, script: Sequence[Step]) -> Run:
    begin(stage, korean)
    told = {}
    for step in script:
        told[step.name] = step.act(desk)
        step.then(stage)
    sent: dict[tuple[str, str], int] = {}
    for row in stage.control("/control/requests"):
        if row["method"] != "GET":
            key = (row["method"], row["path"])
            sent[key] = sent.get(key, 0) + 1
    return Run(told, stage.balances(), sent)


@pytest.fixture(scope="session", params=KOREAN)
def korean(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def through_ccxt(ccxt_process: Client, korean: str) -> Run:
    with new_stage() as stage:
        return run(stage, CcxtDesk(ccxt_process, stage.accounts), korean, steps(korean))


@pytest.fixture(scope="session")
def through_adapters(korean: str) -> Run:
    with new_stage() as stage, closing(AdapterDesk(stage.accounts)) as desk:
        return run(stage, desk, korean, steps(korean))


def test_the_script_has_thirty_steps(korean: str) -> None:
    assert len({step.name for step in steps(korean)}) == 30


def test_every_account_ends_with_the_same_money_to_the_last_digit(
    through_ccxt: Run, through_adapters: Run, korean: str
) -> None:
    assert through_ccxt.balances == through_adapters.balances
    assert through_ccxt.balances[korean]["XRP"]["free"] not in {"0", ""}


@pytest.mark.parametrize("name", NAMES)
def test_both_clients_are_told_the_same(
    name: str, through_ccxt: Run, through_adapters: Run
) -> None:
    assert through_ccxt.told[name] == through_adapters.told[name]


def test_both_clients_sent_as_many_requests_that_change_something(
    through_ccxt: Run, through_adapters: Run, korean: str
) -> None:
    assert through_ccxt.requests == through_adapters.requests
    assert through_adapters.requests["POST", "/api/v3/order"] == 6
    assert through_adapters.requests["POST", ORDERS[korean]] == 4
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


def test_one_digit_more_in_one_order_ends_with_other_money(
    through_adapters: Run, korean: str
) -> None:
    more = touched(korean)
    script = [more if step.name == more.name else step for step in steps(korean)]
    with new_stage() as stage, closing(AdapterDesk(stage.accounts)) as desk:
        other = run(stage, desk, korean, script)
    assert other.balances != through_adapters.balances
