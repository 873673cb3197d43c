"""The ledger's accounts, and one posting of each kind as the program itself would write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from cycles.domain import postings
from cycles.domain.postings import HELD_BY_CYCLE, Holding, Line
from cycles.domain.words import AccountOwner as O, PostingKind as P
from exchanges.values import FillReport, Market, Side
from kimp.documents import texts

XRP = Market("XRP", "USDT")


def accounts() -> str:
    """Say whose each account is."""
    rows = ["| owner | holds |", "|---|---|"]
    for owner in O:
        per_cycle = " (one account per cycle)" if owner in HELD_BY_CYCLE else ""
        rows.append(f"| `{owner.value}` | {texts.OWNERS[owner]}{per_cycle} |")
    return "\n".join(rows)


def postings_table() -> str:
    """Show a posting of each kind; every one sums to zero in each asset."""
    rows = ["| posting | when | entries of an example |", "|---|---|---|"]
    shown = examples()
    for kind in P:
        lines = "<br>".join(_written(line) for line in shown.get(kind, ())) or "—"
        rows.append(f"| `{kind.value}` | {texts.POSTINGS[kind]} | {lines} |")
    return "\n".join(rows)


def _written(line: Line) -> str:
    return f"{line.venue} {line.asset} `{line.owner.value}` {line.quantity.normalize():+f}"


def examples() -> dict[P, Sequence[Line]]:
    """Build one posting of each kind with the functions that the services call."""
    sent = {"quantity": Decimal(1900), "network_fee": Decimal("0.2")}
    held = (
        Holding(venue="binance", asset="USDT", owner=O.CYCLE, quantity=Decimal("5021.4")),
        Holding(venue="upbit", asset="XRP", owner=O.CYCLE, quantity=Decimal("0.3")),
    )
    return {
        P.CAPITAL: _moved("binance", "USDT", 100_000, O.CAPITAL, O.DESK),
        P.OPEN: _moved("binance", "USDT", 5000, O.DESK, O.CYCLE),
        P.FILL: postings.fill_lines("binance", XRP, Side.BUY, [_fill()]),
        P.SENT: postings.sent_lines("binance", "upbit", "XRP", **sent),
        P.RETURNED: postings.returned_lines("binance", "upbit", "XRP", **sent),
        P.CREDITED: postings.credited_lines(
            "upbit", "XRP", sent=Decimal(1900), credited=Decimal(1890)
        ),
        P.CLOSE: postings.released_lines(held, lambda one: one.asset == "XRP"),
        P.RESOLVED: _resolved(),
        P.WRITE_OFF: postings.handed_over_lines(held[:1], target=O.WRITTEN_OFF),
    }


def _moved(venue: str, asset: str, quantity: int, origin: O, target: O) -> tuple[Line, Line]:
    return postings.moved(venue, asset, Decimal(quantity), origin=origin, target=target)


def _fill() -> FillReport:
    """Give one execution: 2,000 XRP for 4,980 USDT, with Binance's fee in what was bought."""
    return FillReport(
        venue_fill_id="1",
        price=Decimal("2.49"),
        quantity=Decimal(2000),
        notional=Decimal(4980),
        fee=Decimal(2),
        fee_asset="XRP",
        at=datetime(2024, 12, 3, tzinfo=UTC),
    )


def _resolved() -> list[Line]:
    """Give 1,900 XRP that a person sold by hand for 4,700 USDT, as `resolving` posts it."""
    out = (Line("binance", "XRP", O.CYCLE, Decimal(-1900)),)
    back = (Line("binance", "USDT", O.CYCLE, Decimal(4700)),)
    return postings.summed([*out, *_mirrored(out), *back, *_mirrored(back)])


def _mirrored(lines: Iterable[Line]) -> list[Line]:
    return [Line(line.venue, line.asset, O.CONVERSION, -line.quantity) for line in lines]
