"""What commands print: aligned tables for people, in Seoul's time, and one JSON object for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from cycles import conf
from cycles.domain.recovery import Option, OptionKind
from cycles.domain.shown import plain
from cycles.models import Cycle, ExchangeCall
from cycles.selectors import TimelineItem
from cycles.services.previewing import Preview

GAP = "  "
CYCLE_COLUMNS = (
    "code", "kind", "status", "version", "outbound_asset", "return_asset", "global_venue",
    "korea_venue", "opening_rule", "krw_per_usdt_at_open", "notional_usdt", "notional_krw",
    "expected_edge_bps", "realised_pnl_usdt", "realised_pnl_krw", "money_at_risk_krw",
    "started_at", "ended_at", "status_since", "wake_at", "retry_count", "max_retries",
    "last_retry_at", "next_retry_at", "failure_class", "failure_reason", "resume_status", "plan",
    "acknowledged_at", "session_id",
)  # fmt: skip


# What does it, by what the planner calls it; WAIT is nobody's act.
COMMAND_OF = {
    OptionKind.RESUME: "redrive",
    OptionKind.UNWIND: "unwind",
    OptionKind.RESOLVE: "resolve",
    OptionKind.RETURN_TO_DESK: "resolve --outcome COMPLETED",
    OptionKind.WRITE_OFF: "write_off",
}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows under headings; columns whose cells are all numbers go right."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    is_right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    lines = []
    for row in (headings, *rows):
        cells = [
            cell.rjust(width) if right and rows else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_right, strict=True)
        ]
        lines.append(GAP.join(cells).rstrip())
    return "\n".join(lines)


def _is_number(text: str) -> bool:
    return text.lstrip("₩-").replace(",", "").replace(".", "").isdigit() or not text


def won(value: Decimal | None) -> str:
    """Write a sum in won; nothing when it is unknown."""
    return "" if value is None else f"₩{value:,.0f}"


def at_risk(cycle: Cycle) -> str:
    """Write what a cycle owned when it last failed; nothing of one that has not failed."""
    has_failed = cycle.money_at_risk_krw or cycle.failure_class
    return won(cycle.money_at_risk_krw) if has_failed else ""


def quantity(value: Decimal | None) -> str:
    """Write a quantity; nothing when it is unknown."""
    return "" if value is None else plain(value)


def instant(value: datetime | None) -> str:
    """Write an instant in the zone that people are shown."""
    if value is None:
        return ""
    return value.astimezone(conf.display_time_zone()).strftime("%Y-%m-%d %H:%M:%S")


def cycle_facts(cycle: Cycle) -> dict[str, Any]:
    """Give a cycle for machines."""
    facts: dict[str, Any] = {name: getattr(cycle, name) for name in CYCLE_COLUMNS}
    facts["policy_number"] = cycle.policy.number
    facts["assignee"] = cycle.assignee.get_username() if cycle.assignee else None
    return facts


def timeline_table(items: Sequence[TimelineItem]) -> str:
    """Write a timeline, oldest first."""
    rows = [
        (
            instant(item.at),
            item.kind.value,
            one_line(str(item.title)),
            item.status,
            one_line(item.detail)[:80],
        )
        for item in items
    ]
    return table(("KST", "what", "title", "status", "detail"), rows)


def one_line(text: str) -> str:
    """Write a text of several lines as one, so that the rows of a table stay rows."""
    return " ".join(text.split())


def timeline_facts(items: Sequence[TimelineItem]) -> list[dict[str, Any]]:
    """Give a timeline for machines."""
    names = ("at", "kind", "title", "detail", "status", "actor", "facts", "request_id")
    return [{name: getattr(item, name) for name in names} for item in items]


def holdings_lines(holdings: Sequence[Any]) -> list[str]:
    """Write what a cycle owns."""
    return [
        f"  {h.quantity.normalize():,f} {h.asset} at {h.venue} ({h.owner.label})" for h in holdings
    ]


def call_facts(call: ExchangeCall) -> dict[str, Any]:
    """Give a call with an unknown outcome for machines."""
    names = ("client_order_id", "operation", "venue", "outcome", "intended_at")
    return {"cycle": call.cycle.code, **{name: getattr(call, name) for name in names}}


def calls_table(calls: Sequence[ExchangeCall]) -> str:
    """Write calls with an unknown outcome."""
    rows = [
        (c.cycle.code, c.operation, c.venue, c.client_order_id, c.outcome, instant(c.intended_at))
        for c in calls
    ]
    return table(("cycle", "operation", "venue", "client order id", "outcome", "KST"), rows)


def preview_text(seen: Preview) -> str:
    """Write what a verb would do."""
    cycle = seen.cycle
    state = f"{cycle.get_status_display()}, version {cycle.version}"
    lines = [f"{seen.verb.label} {cycle.code}: {state}, at risk {won(cycle.money_at_risk_krw)}"]
    if cycle.failure_class:
        lines.append(f"  failed: {cycle.failure_class}: {cycle.failure_reason}")
    lines += holdings_lines(seen.holdings)
    lines += [f"  open: {c.operation} {c.client_order_id} at {c.venue}" for c in seen.open_calls]
    lines += [f"  + {text}" for text in seen.effects]
    lines += [f"  - {text}" for text in seen.will_not]
    lines += [_option_line(option) for option in seen.options]
    if not seen.is_possible:
        lines.append(f"  not possible: {seen.why_not}")
    return "\n".join(lines)


def _option_line(option: Option) -> str:
    """Write one way on: the command that takes it, and what it leaves or what is against it."""
    command = COMMAND_OF.get(option.kind, "")
    told = f"expected {won(option.expected_krw)}" if option.expected_krw is not None else "possible"
    by = f" ({command})" if command and command != option.kind.value.lower() else ""
    return f"  option {option.kind.value}{by}: {told if option.is_possible else option.why_not}"


def preview_facts(seen: Preview) -> Mapping[str, Any]:
    """Give what a verb would do, for machines."""
    option = ("kind", "is_possible", "why_not", "expected_krw", "loss_krw")
    holding = ("venue", "asset", "owner", "quantity")
    return {
        "verb": seen.verb,
        "cycle": cycle_facts(seen.cycle),
        "is_possible": seen.is_possible,
        "why_not": seen.why_not,
        "status_after": seen.status_after,
        "effects": seen.effects,
        "will_not": seen.will_not,
        "holdings": [{name: getattr(row, name) for name in holding} for row in seen.holdings],
        "open_calls": [call_facts(call) for call in seen.open_calls],
        "options": [{name: getattr(row, name) for name in option} for row in seen.options],
    }
