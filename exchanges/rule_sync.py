"""Keep rules of markets and networks as venues tell them, and what of them is another than before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Model

from exchanges import conf
from exchanges.models import MarketRule, NetworkRule, RuleChange
from exchanges.values import MarketRules, NetworkRules

# A wallet that refused stays closed here for this long, for a status page may trail by minutes.
REFUSED_STAYS_CLOSED = timedelta(minutes=10)


def keep_market(rules: MarketRules, now: datetime) -> None:
    """Write how a market is traded."""
    told = {
        "price_steps": [[f"{floor:f}", f"{step:f}"] for floor, step in rules.price_steps],
        "quantity_step": rules.quantity_step,
        "minimum_notional": rules.minimum_notional,
        "maximum_notional": rules.maximum_notional,
        "maximum_quantity": rules.maximum_quantity,
        "taker_fee_rate": rules.taker_fee_rate,
        "buy_fee_in_quote": rules.buy_fee_in_quote,
        "is_open": rules.is_open,
    }
    which = {"venue": rules.venue, "market": rules.market.code}
    _keep(MarketRule, which, told, subject=rules.market.code, now=now)


def keep_network(rules: NetworkRules, now: datetime) -> None:
    """Write how an asset moves on a network; a wallet that refused a moment ago is closed."""
    which = {"venue": rules.venue, "asset": rules.asset, "network": rules.network}
    remembered_since = now - conf.market_time(REFUSED_STAYS_CLOSED)
    refused = NetworkRule.objects.filter(**which, refused_at__gt=remembered_since)
    told = {
        "withdraw_is_open": rules.withdraw_is_open and not refused.exists(),
        "deposit_is_open": rules.deposit_is_open,
        "withdraw_fee": rules.withdraw_fee,
        "withdraw_minimum": rules.withdraw_minimum,
        "withdraw_maximum": rules.withdraw_maximum,
        "withdraw_step": rules.withdraw_step,
        "deposit_minimum": rules.deposit_minimum,
        "memo_is_required": rules.memo_is_required,
        "confirmations": rules.confirmations,
        "unlock_confirmations": rules.unlock_confirmations,
    }
    _keep(NetworkRule, which, told, subject=f"{rules.asset} on {rules.network}", now=now)


def note_closed(venue: str, asset: str, network: str, now: datetime) -> None:
    """Keep in mind that a venue refused a withdrawal for a closed wallet: the way is closed here."""
    rows = NetworkRule.objects.filter(venue=venue, asset=asset, network=network)
    with transaction.atomic():
        if rows.filter(withdraw_is_open=True).update(withdraw_is_open=False):
            RuleChange.objects.create(
                venue=venue,
                subject=f"{asset} on {network}",
                rule="withdraw_is_open",
                before="True",
                after="False: a withdrawal was refused",
                noticed_at=now,
            )
        rows.update(refused_at=now)


def _keep(
    model: type[Model],
    which: Mapping[str, Any],
    told: Mapping[str, Any],
    *,
    subject: str,
    now: datetime,
) -> None:
    """Write a rule as told, and what of it is another than before."""
    rows = model._default_manager  # noqa: SLF001  Django's documented API
    with transaction.atomic():
        before = rows.filter(**which).values(*told).first()
        rows.update_or_create(**which, defaults={**told, "fetched_at": now})
        changes = [
            RuleChange(
                venue=which["venue"],
                subject=subject,
                rule=name,
                before=_shown(was),
                after=_shown(told[name]),
                noticed_at=now,
            )
            for name, was in (before or {}).items()
            if was != told[name]
        ]
        RuleChange.objects.bulk_create(changes)


def _shown(value: object) -> str:
    """Write a rule's value as people read it."""
    if value is None:
        return ""
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return text[:400]
