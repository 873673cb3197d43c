"""What no version of the policy may say: values the database refuses, and those that contradict one another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_noop

from cycles.domain.decision import USDT_STEP
from cycles.domain.words import OpeningRule, Sizing
from cycles.models import PolicyVersion

SIGNED_COLUMNS = {"min_open_edge_bps", "min_rebalance_edge_bps", "band_open_premium_bps"}
LADDERS = ("calm", "urgent")
Wrong = Iterator[tuple[str, str | ValidationError]]


def demand_sane(policy: PolicyVersion, *, may_allow: frozenset[str]) -> None:
    """Name each field that no policy may have, before the database refuses all of them at once."""
    parts = (_numbers(policy), _openings(policy, may_allow), _ladders(policy))
    wrong = {name: [text] for part in parts for name, text in part}
    if wrong:
        raise ValidationError(wrong)


def _numbers(policy: PolicyVersion) -> Wrong:
    """Give the numbers that are out of their range."""
    for field in policy._meta.concrete_fields:  # noqa: SLF001  Django's documented API
        value = getattr(policy, field.name)
        may_be_negative = field.name in SIGNED_COLUMNS
        if isinstance(value, Decimal) and value < 0 and not may_be_negative:
            yield field.name, gettext_noop("must not be below zero")
    if not 0 < policy.percentage <= 100:
        yield "percentage", gettext_noop("must be above 0 and at most 100")
    if policy.max_book_age_seconds <= 0:
        told = gettext_noop("must be above zero: no book is of this very instant")
        yield "max_book_age_seconds", told


def _openings(policy: PolicyVersion, may_allow: frozenset[str]) -> Wrong:
    """Give what would open nothing without saying so."""
    if policy.sizing == Sizing.FIXED_AMOUNT and 0 <= policy.notional_usdt < USDT_STEP:
        told = gettext_noop(
            "must be 0.01 or more where it sizes the cycles: to open none, set max_open_cycles to 0"
        )
        yield "notional_usdt", told
    if policy.opening_rule == OpeningRule.BY_HAND:
        told = gettext_noop("BY_HAND opens nothing: choose LOCKED_EDGE or PREMIUM_BAND")
        yield "opening_rule", told
    strangers = sorted({*policy.allowed_assets} - may_allow)
    if strangers:
        unknown = gettext_noop("the desk knows no %(names)s")
        yield "allowed_assets", ValidationError(unknown, params={"names": ", ".join(strangers)})


def _ladders(policy: PolicyVersion) -> Wrong:
    """Give what makes no ladder of retries."""
    for ladder in LADDERS:
        base = getattr(policy, f"{ladder}_base_seconds")
        if getattr(policy, f"{ladder}_cap_seconds") < base:
            told = gettext_noop("must be at least the base, %(base)s s")
            yield f"{ladder}_cap_seconds", ValidationError(told, params={"base": base})
    if policy.urgent_attempts == 0:
        told = gettext_noop(
            "must be above zero: with coins in hand the first failure would be a dead letter"
        )
        yield "urgent_attempts", told
