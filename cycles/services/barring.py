"""Venues that let none of our calls through for now: what would end there does not begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Max
from django.db.models.functions import Now

from cycles import conf
from exchanges import registry
from exchanges.models import RateWindow
from exchanges.recent import recent
from exchanges.sentences import Sentence


def banned(venues: Sequence[str]) -> dict[str, str]:
    """Say of each venue that has shut us out until when it has; those that have not are left out.

    Its books may come by public streams all the while; orders and deposits there cannot be looked up.
    """
    known, now = _told_to_any(), registry.utc_now()
    ends: dict[str, datetime] = {}
    for venue in venues:
        here = now + timedelta(seconds=registry.seconds_shut(venue))
        until = max(here, known.get(venue, here))
        if until > now:
            ends[venue] = until
    return {venue: _sentence(venue, until) for venue, until in ends.items()}


def objections(venues: Sequence[str]) -> tuple[str, ...]:
    """Say why nothing should begin now that needs these venues; empty: they let calls through."""
    return tuple(banned(venues).values())


@recent
def _told_to_any() -> dict[str, datetime]:
    """Give until when venues are shut, as any process of the desk was told, whatever address it calls from."""
    shut = RateWindow.objects.filter(name=registry.DOOR_WINDOW, held_until__gt=Now())
    return dict(shut.values_list("venue").annotate(until=Max("held_until")))


def _sentence(venue: str, until: datetime) -> str:
    shown = until.astimezone(conf.display_time_zone())
    return Sentence(
        "%(venue)s lets none of our calls through until %(until)s",
        venue=venue,
        until=f"{shown:%Y-%m-%d %H:%M:%S}",
    )
