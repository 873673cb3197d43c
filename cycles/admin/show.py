"""How numbers and instants look: won without fraction, quantities without idle zeros, Seoul's time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext as _

NOTHING = "–"
CENT = Decimal("0.01")
TENTH = Decimal("0.1")
SATOSHI = Decimal("1e-8")
MINUTE, HOUR, DAY = 60, 3600, 86400
MAN, EOK = Decimal(10_000), Decimal(100_000_000)

# What a word looks like; what is not named here is plain.
TONES = {
    "bad": {
        "DEAD_LETTER",
        "FAILED",
        "HALT",
        "UNKNOWN",
        "CRITICAL",
        "GIVEN_UP",
        "LIVE",
        "REFUSED",
        "BLOCKED",
    },
    "wait": {
        "RETRY_PENDING",
        "INTENDED",
        "PENDING",
        "FINALIZE_ONLY",
        "WARNING",
        "SIMULATED",
        "AWAITING_REBALANCE",
        "NOT_SENT",
        "ABSENT",
        "ABANDONED",
        "SUSPENSE",
        "IN_FLIGHT",
        "PROPOSED",
        "UNPROVEN",
        "HELD",
    },
    "good": {"COMPLETED", "DONE", "RUN", "DELIVERED", "CONFIRMED", "PROVEN", "RELEASED"},
    "busy": {
        "STARTED",
        "INITIAL_TRADE_COMPLETED",
        "REBALANCING_IN_PROGRESS",
        "REBALANCE_TRADE_COMPLETED",
        "RUNNING",
    },
}
TONE_OF = {word: tone for tone, words in TONES.items() for word in words}


def krw(value: Decimal | None) -> str:
    """Give won, rounded half-even: ₩140,901,797."""
    if value is None:
        return NOTHING
    whole = value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return f"{_sign(whole)}₩{abs(whole):,}"


def krw_short(value: Decimal | None) -> str:
    """Give won as a headline: ₩1.4억 in Korean, ₩140.9M in English."""
    if value is None:
        return NOTHING
    size = abs(value)
    steps = (
        ((EOK, "억"), (MAN, "만"))
        if get_language() == "ko"
        else ((Decimal(10**9), "B"), (Decimal(10**6), "M"))
    )
    for unit, name in steps:
        if size >= unit:
            return f"{_sign(value)}₩{(size / unit).quantize(TENTH):,}{name}"
    return krw(value)


def usdt(value: Decimal | None) -> str:
    """Give USDT with cents, rounded half-even."""
    if value is None:
        return NOTHING
    cents = value.quantize(CENT, rounding=ROUND_HALF_EVEN)
    return f"{_sign(cents)}{abs(cents):,}"


def bps(value: Decimal | None) -> str:
    """Give basis points with one decimal."""
    if value is None:
        return NOTHING
    tenths = value.quantize(TENTH, rounding=ROUND_HALF_EVEN)
    return f"{_sign(tenths)}{abs(tenths):,}"


def quantity(value: Decimal | None) -> str:
    """Give a quantity to at most eight places, without idle zeros."""
    if value is None:
        return NOTHING
    short = value.quantize(SATOSHI, rounding=ROUND_HALF_EVEN)
    whole, _point, fraction = f"{abs(short):,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{_sign(short)}{whole}" + (f".{fraction}" if fraction else "")


def amount(value: Decimal | None, asset: str) -> str:
    """Give a quantity the way its asset is written."""
    if asset == "KRW":
        return krw(value)
    return usdt(value) if asset == "USDT" and value and abs(value) >= 1 else quantity(value)


def _sign(value: Decimal) -> str:
    """Give a true minus sign for what is below zero."""
    return "\N{MINUS SIGN}" if value < 0 else ""


def badge(word: str, label: Any = "") -> SafeString:
    """Give a word as a coloured label; '' gives nothing."""
    if not word:
        return SafeString("")
    tone = TONE_OF.get(word, "plain")
    return format_html('<span class="badge {}">{}</span>', tone, label or word)


def pretty(value: Any) -> str:
    """Give a value as indented JSON."""
    return json.dumps(value, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)


def json_block(value: Any) -> SafeString:
    """Give a value as a block of indented JSON; nothing for what is empty."""
    return format_html("<pre>{}</pre>", pretty(value)) if value else SafeString(NOTHING)


def instant(at: datetime | None) -> SafeString:
    """Give Seoul's time, with UTC on hover."""
    if at is None:
        return SafeString(NOTHING)
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.astimezone(UTC).isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        f"{local:%Y-%m-%d %H:%M:%S}",
    )


def age(at: datetime | None, now: datetime) -> SafeString:
    """Give how long ago something was, with the instant on hover."""
    if at is None:
        return SafeString(NOTHING)
    title = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z} / {at.astimezone(UTC):%H:%M:%S} UTC"
    text = _words(at, now)
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), title, text)


def _words(at: datetime, now: datetime) -> str:
    """Give a distance in its largest unit, as short as can be."""
    seconds = int((now - at).total_seconds())
    size = abs(seconds)
    if size < MINUTE:
        text = _("%(n)d s") % {"n": size}
    elif size < HOUR:
        text = _("%(n)d min") % {"n": size // MINUTE}
    elif size < 2 * DAY:
        text = _("%(n)d h") % {"n": size // HOUR}
    else:
        text = _("%(n)d d") % {"n": size // DAY}
    return _("in %(age)s") % {"age": text} if seconds < 0 else _("%(age)s ago") % {"age": text}
