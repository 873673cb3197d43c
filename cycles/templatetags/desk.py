"""Filters: `cycles.admin.show` for templates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from cycles.admin import show
from cycles.admin.wording import worded
from cycles.domain.words import AccountOwner, CallOutcome, CycleStatus

register = template.Library()
register.filter("krw", show.krw)
register.filter("krw_short", show.krw_short)
register.filter("usdt", show.usdt)
register.filter("bps", show.bps)
register.filter("quantity", show.quantity)
register.filter("amount", show.amount)
register.filter("instant", show.instant)
register.filter("pretty", show.pretty)
register.filter("translated", worded)

LABELS: dict[str, Any] = {
    word: label
    for words in (CycleStatus, CallOutcome, AccountOwner)
    for word, label in words.choices
}


@register.filter
def badge(word: str, label: Any = "") -> SafeString:
    """Show a word as a coloured label, in the reader's language where we know it."""
    return show.badge(word, label or LABELS.get(word, word))


@register.filter
def label_of(word: str) -> str:
    """Give a status's name in the reader's language."""
    return str(LABELS.get(word, word))


@register.filter
def age(at: datetime | None) -> SafeString:
    """Show how long ago something was."""
    return show.age(at, timezone.now())  # noqa: TID251  an entry point: shown to a reader now


@register.filter
def is_loss(value: Decimal | None) -> bool:
    """Say whether a result is below zero."""
    return value is not None and value < 0
