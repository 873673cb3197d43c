"""Reference data: how venues trade and move assets, on which ways, and what of it has changed."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _

from exchanges.values import Market, MarketRules, NetworkRules


class MarketRule(models.Model):
    """How a venue trades a market, as it last told us."""

    venue = models.CharField(_("venue"), max_length=16)
    market = models.CharField(_("market"), max_length=24)
    price_steps = models.JSONField(_("price steps"))  # [[from price, step], ...], highest first
    quantity_step = models.DecimalField(_("quantity step"), max_digits=38, decimal_places=18)
    minimum_notional = models.DecimalField(_("minimum notional"), max_digits=38, decimal_places=18)
    maximum_notional = models.DecimalField(
        _("maximum notional"), max_digits=38, decimal_places=18, null=True
    )
    maximum_quantity = models.DecimalField(
        _("maximum quantity"), max_digits=38, decimal_places=18, null=True
    )
    taker_fee_rate = models.DecimalField(_("taker fee rate"), max_digits=38, decimal_places=18)
    buy_fee_in_quote = models.BooleanField(_("buyer's fee in the quote asset"))
    is_open = models.BooleanField(_("open"))
    fetched_at = models.DateTimeField(_("fetched at"))

    class Meta:
        verbose_name = _("market rule")
        verbose_name_plural = _("market rules")
        ordering: ClassVar = ["venue", "market"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["venue", "market"], name="market_rule_once"),
            CheckConstraint(
                condition=Q(
                    quantity_step__gt=0, minimum_notional__gte=0, taker_fee_rate__range=(0, 1)
                ),
                name="market_rule_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.venue} {self.market}"

    def rules(self) -> MarketRules:
        """Give the row as a value."""
        return MarketRules(
            venue=self.venue,
            market=Market.parse(self.market),
            price_steps=tuple((Decimal(floor), Decimal(step)) for floor, step in self.price_steps),
            quantity_step=self.quantity_step,
            minimum_notional=self.minimum_notional,
            maximum_notional=self.maximum_notional,
            maximum_quantity=self.maximum_quantity,
            taker_fee_rate=self.taker_fee_rate,
            buy_fee_in_quote=self.buy_fee_in_quote,
            is_open=self.is_open,
            fetched_at=self.fetched_at,
        )


class NetworkRule(models.Model):
    """How an asset moves on one network at one venue, as it last told us."""

    venue = models.CharField(_("venue"), max_length=16)
    asset = models.CharField(_("asset"), max_length=16)
    network = models.CharField(_("network"), max_length=32)
    withdraw_is_open = models.BooleanField(_("withdrawals open"))
    deposit_is_open = models.BooleanField(_("deposits open"))
    withdraw_fee = models.DecimalField(_("withdrawal fee"), max_digits=38, decimal_places=18)
    withdraw_minimum = models.DecimalField(
        _("withdrawal minimum"), max_digits=38, decimal_places=18
    )
    withdraw_maximum = models.DecimalField(
        _("withdrawal maximum"), max_digits=38, decimal_places=18, null=True
    )
    withdraw_step = models.DecimalField(_("withdrawal step"), max_digits=38, decimal_places=18)
    deposit_minimum = models.DecimalField(
        _("deposit minimum"), max_digits=38, decimal_places=18, null=True
    )
    memo_is_required = models.BooleanField(_("memo required"))
    confirmations = models.PositiveIntegerField(_("confirmations to a credit"), null=True)
    unlock_confirmations = models.PositiveIntegerField(_("confirmations to unlock"), null=True)
    fetched_at = models.DateTimeField(_("fetched at"))
    # The venue refused a withdrawal for a closed wallet, whatever its status said.
    refused_at = models.DateTimeField(_("refused at"), null=True, blank=True)

    class Meta:
        verbose_name = _("network rule")
        verbose_name_plural = _("network rules")
        ordering: ClassVar = ["venue", "asset", "network"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["venue", "asset", "network"], name="network_rule_once"),
            CheckConstraint(
                condition=Q(withdraw_fee__gte=0, withdraw_minimum__gte=0, withdraw_step__gt=0),
                name="network_rule_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.venue} {self.asset} {self.network}"

    def rules(self) -> NetworkRules:
        """Give the row as a value."""
        return NetworkRules(
            venue=self.venue,
            asset=self.asset,
            network=self.network,
            withdraw_is_open=self.withdraw_is_open,
            deposit_is_open=self.deposit_is_open,
            withdraw_fee=self.withdraw_fee,
            withdraw_minimum=self.withdraw_minimum,
            withdraw_maximum=self.withdraw_maximum,
            withdraw_step=self.withdraw_step,
            deposit_minimum=self.deposit_minimum,
            memo_is_required=self.memo_is_required,
            confirmations=self.confirmations,
            unlock_confirmations=self.unlock_confirmations,
            fetched_at=self.fetched_at,
        )


class TransferRoute(models.Model):
    """A way for an asset from one venue to another, and how long it takes there."""

    asset = models.CharField(_("asset"), max_length=16)
    from_venue = models.CharField(_("from venue"), max_length=16)
    to_venue = models.CharField(_("to venue"), max_length=16)
    network = models.CharField(_("network"), max_length=32)
    is_allowed = models.BooleanField(_("allowed"), default=True)
    expected_seconds = models.PositiveIntegerField(_("expected seconds"))
    overdue_seconds = models.PositiveIntegerField(_("overdue after seconds"))

    class Meta:
        verbose_name = _("transfer route")
        verbose_name_plural = _("transfer routes")
        ordering: ClassVar = ["asset", "from_venue", "to_venue"]
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["asset", "from_venue", "to_venue", "network"], name="transfer_route_once"
            ),
            CheckConstraint(
                condition=Q(overdue_seconds__gte=models.F("expected_seconds")),
                name="transfer_route_overdue_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} {self.from_venue} to {self.to_venue} on {self.network}"


class RuleChange(models.Model):
    """One rule that a venue has changed, as it was and as it is; append-only."""

    venue = models.CharField(_("venue"), max_length=16)
    subject = models.CharField(_("of what"), max_length=64)  # XRP/KRW, or XRP on XRP
    rule = models.CharField(_("rule"), max_length=32)
    before = models.CharField(_("before"), max_length=400, blank=True)
    after = models.CharField(_("after"), max_length=400, blank=True)
    noticed_at = models.DateTimeField(_("noticed"))

    class Meta:
        verbose_name = _("rule change")
        verbose_name_plural = _("rule changes")
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["venue", "subject"], name="rule_change_subject")]

    def __str__(self) -> str:
        return f"{self.venue} {self.subject} {self.rule}: {self.before} > {self.after}"
