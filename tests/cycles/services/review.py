"""What the tests of the review's findings do again and again."""

from __future__ import annotations

from decimal import Decimal

from cycles.domain.progress import Turn
from cycles.domain.words import (
    FailureClass,
    StepState,
)
from cycles.models import Account, Cycle, ExchangeCall, Step
from cycles.services import (
    retrying,
)
from cycles.services.moving import Lease
from exchanges.models import NetworkRule
from tests.cycles.services.acts import set_policy
from tests.desk import TestDesk, why


def units_until_done(desk: TestDesk, row: Cycle, passage: str, kind: str) -> Lease:
    """Drive unit by unit until a step is done; gives the lease that it has then."""
    lease = desk.lease(row)
    for _ in range(60):
        if Step.objects.filter(
            cycle=row, passage=passage, kind=kind, state=StepState.DONE
        ).exists():
            row.refresh_from_db()
            return lease
        progress = desk.unit(lease)
        assert progress.turn is not Turn.FAIL, f"{progress.reason}: {why(row)}"
        if progress.turn is Turn.END or progress.is_handed_back:
            row.refresh_from_db()
            lease = desk.lease(row)
    raise AssertionError(why(row))


def only_xrp(desk: TestDesk, notional: str = "2000") -> Cycle:
    """Open a cycle that can come home by XRP only."""
    set_policy(allowed_assets=["XRP"], max_open_cycles=9, max_open_cycles_per_asset=9)
    return desk.open(notional=notional)


def dies(lease: Lease, row: Cycle) -> None:
    """Let a driven cycle become a dead letter."""
    retrying.fail(lease, FailureClass.BUG, "for a test", actor="tester")
    row.refresh_from_db()


def empty_book(desk: TestDesk, market: str = "KRW-XRP") -> None:
    """Let Upbit show a book without a single level."""
    desk.fault(
        venue="upbit", method="GET", path_regex="/orderbook$", phase="before", action="status",
        args={"status": 200, "json": [{"market": market, "orderbook_units": []}]},
    )  # fmt: skip


def no_faults(desk: TestDesk) -> None:
    """Take all faults away."""
    desk.control("/control/faults", method="DELETE")


def drive(desk: TestDesk, row: Cycle, *statuses: str) -> None:
    """Drive a redriven cycle until a status: a claim goes by the status it has now."""
    while row.status not in statuses:
        if row.status not in {"STARTED", "RETRY_PENDING"}:
            Cycle.objects.filter(pk=row.pk).update(resume_status="")
        desk.step(row)


def tradable(row: Cycle) -> list[str]:
    """List what stands as dust although it is worth an order."""
    rows = Account.objects.filter(owner="DUST", asset="XRP", balance__gt=5)
    return [f"{one} {one.balance}" for one in rows]


WITHDRAWALS = "/sapi/v1/capital/withdraw/history$"


def told(desk: TestDesk, venue: str, path: str, rows: list[dict[str, object]]) -> None:
    """Let a venue answer a read with these rows."""
    desk.fault(
        venue=venue, method="GET", path_regex=path, phase="before", action="status",
        args={"status": 200, "json": rows},
    )  # fmt: skip


def withdrawal_row(call: ExchangeCall, **facts: object) -> dict[str, object]:
    """Give a row of Binance's history of withdrawals."""
    return {
        "id": call.venue_order_id, "coin": "XRP", "network": "XRP", "status": 6,
        "amount": call.report["quantity"], "transactionFee": call.report["network_fee"],
        "txId": "feed", "withdrawOrderId": call.client_order_id,
    } | facts  # fmt: skip


def shut(desk: TestDesk, **facts: object) -> None:
    """Let the rules say that a wallet is closed."""
    NetworkRule.objects.filter(venue=facts["venue"], asset="XRP").update(
        **{name: value for name, value in facts.items() if name != "venue"}
    )


def arrived(call: ExchangeCall, *quantities: Decimal) -> list[dict[str, object]]:
    """Give Upbit's list of deposits: the parts of one transaction."""
    return [
        {
            "uuid": f"d{number}", "currency": "XRP", "net_type": "XRP", "state": "ACCEPTED",
            "txid": call.report["txid"], "amount": str(quantity),
        }
        for number, quantity in enumerate(quantities)
    ]  # fmt: skip
