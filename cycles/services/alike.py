"""Of several cycles that could have sent one withdrawal, a person has told of one what its coins became.

Then what it sent is no other's, though no other could have sent it any more: the journal does not know it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

from cycles.domain.words import Verb
from cycles.models import Cycle, Intervention
from cycles.services.recalling import History

TOLD = re.compile(r"a withdrawal at (?P<venue>\S+) may be another cycle's as well \((?P<ids>.*)\)")


def told(venue: str, ids: Collection[str]) -> str:
    """Say of withdrawals, by their venue's ids, that several cycles could have sent them."""
    return f"a withdrawal at {venue} may be another cycle's as well ({', '.join(sorted(ids))})"


def by_word(history: History) -> tuple[set[str], set[str]]:
    """Give the withdrawals that are, and those that may be, of cycles which a person has settled with what was received."""
    sent = _may_have_sent(history)
    theirs: set[str] = set()
    perhaps: set[str] = set()
    for ids in sent.values():
        along = [others for others in sent.values() if others & ids]
        (theirs if len(set().union(*along)) <= len(along) else perhaps).update(ids)
    return theirs, perhaps


def is_disowned(cycle: Cycle, reason: str) -> bool:
    """Say whether a person redrove a cycle when a run had told exactly that of it, of the same withdrawals: it sent none of them."""
    runs = Intervention.objects.filter(
        verb=Verb.CATCH_UP, payload__left__contains=[f"{cycle.code}: {reason}"]
    )
    told_last = runs.order_by("pk").last()
    redriven = Intervention.objects.filter(cycle=cycle, verb=Verb.REDRIVE)
    return told_last is not None and redriven.filter(pk__gt=told_last.pk).exists()


def _may_have_sent(history: History) -> dict[str, set[str]]:
    """Give, by code, what was told of those that were settled so: a run since the withdrawals has told it.

    Not what left a venue where all that was received lies: whose coins were sold there had sent none.
    """
    since = Intervention.objects.filter(at__gte=history.since)
    settled = since.filter(verb=Verb.RESOLVE).exclude(payload__received=[])
    arrived_at = {
        code: {part["venue"] for part in received}
        for code, received in settled.values_list("cycle__code", "payload__received")
    }
    sent: dict[str, set[str]] = defaultdict(set)
    runs = since.filter(verb=Verb.CATCH_UP) if arrived_at else since.none()
    for left in runs.values_list("payload__left", flat=True):
        for line in left or ():
            code, _, rest = line.partition(": ")
            found = TOLD.fullmatch(rest)
            if found and arrived_at.get(code, set()) - {found["venue"]}:
                sent[code].update(found["ids"].split(", "))
    return dict(sent)
