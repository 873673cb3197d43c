"""What the page of one cycle shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from cycles import selectors
from cycles.admin.navigation import user_of
from cycles.admin.runbook import hint
from cycles.admin.verbs import CycleVerb, offered
from cycles.domain import recovery
from cycles.models import Cycle, Step
from cycles.services import recovering

SHOWN_RETRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A verb with the address of its form."""

    chosen: CycleVerb
    url: str
    is_usual: bool


def context(request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
    """Gather facts, steps, holdings, options, verbs and timeline."""
    advice = hint(cycle)
    situation = recovering.situation(cycle)
    verbs = [
        Offered(
            chosen=chosen,
            url=reverse(chosen.url_name, args=[cycle.pk]),
            is_usual=advice is not None and chosen.verb in advice.usual,
        )
        for chosen in offered(cycle, user_of(request))
    ]
    return {
        "title": cycle.code,
        "cycle": cycle,
        "hint": advice,
        "verbs": verbs,
        "steps": Step.objects.filter(cycle=cycle).order_by("position"),
        "holdings": [(held, situation.krw_of(held)) for held in situation.holdings],
        "worth_krw": situation.worth_krw,
        "options": recovery.options(situation) if verbs else (),
        "postings": selectors.ledger_of(cycle),
        "timeline": selectors.timeline(cycle),
        "retries": selectors.retry_history(cycle).reverse()[:SHOWN_RETRIES],
    }
