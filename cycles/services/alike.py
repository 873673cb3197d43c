"""Of several cycles that could have sent one withdrawal, a person has told of one what its coins became.

Then what it sent is no other's, though no other could have sent it any more: the journal does not know it.
"""

from __future__ import annotations

from collections.abc import Collection

from cycles.domain.words import Verb
from cycles.models import Intervention
from cycles.services.recalling import History

ALIKE = "may be another cycle's as well"


def told(venue: str, ids: Collection[str]) -> str:
    """Say of withdrawals, by their venue's ids, that several cycles could have sent them."""
    return f"a withdrawal at {venue} {ALIKE} ({', '.join(sorted(ids))})"


def by_word(history: History) -> tuple[set[str], set[str]]:
    """Give the withdrawals that are, and those that may be, of cycles which a person has settled with what was received."""
    sent = _may_have_sent(history)
    theirs: set[str] = set()
    perhaps: set[str] = set()
    for ids in sent.values():
        along = [others for others in sent.values() if others & ids]
        (theirs if len(set().union(*along)) <= len(along) else perhaps).update(ids)
    return theirs, perhaps


def _may_have_sent(history: History) -> dict[str, set[str]]:
    """Give, by code, what was told of those that were settled so: a run since the withdrawals has told it."""
    since = Intervention.objects.filter(at__gte=history.since)
    settled = since.filter(verb=Verb.RESOLVE).exclude(payload__received=[])
    sent: dict[str, set[str]] = {
        code: set() for code in settled.values_list("cycle__code", flat=True)
    }
    runs = since.filter(verb=Verb.CATCH_UP) if sent else since.none()
    for left in runs.values_list("payload__left", flat=True):
        for line in left or ():
            code, _, rest = line.partition(": ")
            if code in sent and ALIKE in rest:
                sent[code].update(rest.rpartition("(")[2].rstrip(")").split(", "))
    return {code: ids for code, ids in sent.items() if ids}
