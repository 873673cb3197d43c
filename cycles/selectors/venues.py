"""Venues as the desk's processes see them: clocks, and what their limiters keep closed."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from exchanges.models import RateWindow, VenueClock

RECENT = timedelta(hours=1)  # hosts that measured nothing since are gone, or call nobody
PASSING = "used_up"  # over in a moment, and nobody's concern


def venue_clocks() -> QuerySet[VenueClock]:
    """Give how far the venues' clocks lie from those of our hosts, measured lately."""
    return VenueClock.objects.filter(measured_at__gt=Now() - RECENT).order_by("venue", "host")


def held_windows() -> QuerySet[RateWindow]:
    """Give the windows that a venue has closed for us: bans, and calls that it turned away."""
    held = RateWindow.objects.filter(held_until__gt=Now()).exclude(held_because=PASSING)
    return held.order_by("venue", "name", "scope")
