"""Keep rules of markets and networks as venues tell them, and what of them is another than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model

from exchanges import answers, conf
from exchanges.answers import Question
from exchanges.models import MarketRule, NetworkRule, RuleChange
from exchanges.values import MarketRules, NetworkRules

Rules = TypeVar("Rules", MarketRules, NetworkRules)
# A wallet that refused stays closed here for this long, for a status page may trail by minutes.
REFUSED_STAYS_CLOSED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A rule as its venue tells it: which one, and its columns."""

    which: Mapping[str, str]
    subject: str
    facts: Mapping[str, Any]

    def changes(self, before: Mapping[str, Any] | None, now: datetime) -> Iterator[RuleChange]:
        """Give what is another than before; nothing of a rule that was not known."""
        for name, value in self.facts.items() if before is not None else ():
            was = before[name] if before is not None else None
            if was != value:
                yield RuleChange(
                    venue=self.which["venue"],
                    subject=self.subject,
                    rule=name,
                    before=_shown(was),
                    after=_shown(value),
                    noticed_at=now,
                )


def keep_markets(rules: Sequence[MarketRules], asked: Question) -> None:
    """Write how markets of one venue are traded."""
    if not rules:
        return
    with transaction.atomic():
        told = [
            _Told(
                which={"venue": one.venue, "market": one.market.code},
                subject=_subject(one),
                facts={
                    "price_steps": [[f"{floor:f}", f"{step:f}"] for floor, step in one.price_steps],
                    "quantity_step": one.quantity_step,
                    "minimum_notional": one.minimum_notional,
                    "maximum_notional": one.maximum_notional,
                    "maximum_quantity": one.maximum_quantity,
                    "taker_fee_rate": one.taker_fee_rate,
                    "buy_fee_in_quote": one.buy_fee_in_quote,
                    "is_open": one.is_open,
                },
            )
            for one in _newest(rules, asked)
        ]
        _keep(MarketRule, told, asked.at)


def keep_networks(rules: Sequence[NetworkRules], asked: Question) -> None:
    """Write how assets of one venue move on networks; a wallet that refused a moment ago is closed."""
    if not rules:
        return
    with transaction.atomic():
        newest = _newest(rules, asked)
        closed = _closed(asked.at) if newest else set()
        told = [
            _Told(
                which={"venue": one.venue, "asset": one.asset, "network": one.network},
                subject=_subject(one),
                facts=_facts_of(one, is_closed=(one.venue, one.asset, one.network) in closed),
            )
            for one in newest
        ]
        _keep(NetworkRule, told, asked.at)


def _newest(rules: Sequence[Rules], asked: Question) -> list[Rules]:
    """Give what may be kept of a venue's rules, until the transaction ends: of the rest something newer is."""
    newest = answers.newest(asked, rules[0].venue, [answers.rules(_subject(one)) for one in rules])
    return [one for one in rules if answers.rules(_subject(one)) in newest]


def _subject(one: MarketRules | NetworkRules) -> str:
    return one.market.code if isinstance(one, MarketRules) else f"{one.asset} on {one.network}"


def _closed(now: datetime) -> set[tuple[str, str, str]]:
    """Give the wallets that refused a moment ago."""
    remembered_since = now - conf.market_time(REFUSED_STAYS_CLOSED)
    refused = NetworkRule.objects.filter(refused_at__gt=remembered_since)
    return set(refused.values_list("venue", "asset", "network"))


def _facts_of(one: NetworkRules, *, is_closed: bool) -> dict[str, Any]:
    return {
        "withdraw_is_open": one.withdraw_is_open and not is_closed,
        "deposit_is_open": one.deposit_is_open,
        "withdraw_fee": one.withdraw_fee,
        "withdraw_minimum": one.withdraw_minimum,
        "withdraw_maximum": one.withdraw_maximum,
        "withdraw_step": one.withdraw_step,
        "deposit_minimum": one.deposit_minimum,
        "memo_is_required": one.memo_is_required,
        "confirmations": one.confirmations,
        "unlock_confirmations": one.unlock_confirmations,
    }


def note_closed(venue: str, asset: str, network: str, now: datetime) -> None:
    """Keep in mind that a venue refused a withdrawal for a closed wallet: the way is closed here."""
    rows = NetworkRule.objects.filter(venue=venue, asset=asset, network=network)
    with transaction.atomic():
        # What was asked for before, and may tell that it is open, is kept no more.
        answers.newest(answers.asking(now), venue, [answers.rules(f"{asset} on {network}")])
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


def _keep(model: type[Model], told: Sequence[_Told], now: datetime) -> None:
    """Write rules of one venue as told, and what of them is another than before: three statements for all."""
    if not told:
        return
    rules = model._default_manager  # noqa: SLF001  Django's documented API
    named, facts = list(told[0].which), list(told[0].facts)
    last = {tuple(one.which.values()): one for one in told}  # no statement may write a row twice
    by_name = {name: last[name] for name in sorted(last)}
    known = rules.filter(venue=told[0].which["venue"]).values(*named, *facts)
    before = {tuple(row[name] for name in named): row for row in known}
    rules.bulk_create(
        [model(**one.which, **one.facts, fetched_at=now) for one in by_name.values()],
        update_conflicts=True,
        unique_fields=named,
        update_fields=[*facts, "fetched_at"],
    )
    RuleChange.objects.bulk_create(
        change for name, one in by_name.items() for change in one.changes(before.get(name), now)
    )


def _shown(value: object) -> str:
    """Write a rule's value as people read it."""
    if value is None:
        return ""
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return text[:400]
