"""Withdrawals that several cycles could have sent, or one of which a cycle could have sent: a person tells whose they are.

Of whom it is told what its coins became, what it sent is no other's, though no other could have sent it any more: the
journal does not know it. Who is redriven has not sent what was told of it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from django.db.models import QuerySet

from cycles.domain.words import AccountOwner, Verb
from cycles.models import Cycle, Entry, Intervention
from cycles.services import nameless, replaying
from cycles.services.nameless import Candidate
from cycles.services.recalling import History
from exchanges.values import WithdrawalReport, WithdrawalStatus

# Who would have sent which withdrawals, by their venue's ids, and whether only a person can tell which of them it was.
Claim = tuple[Candidate, dict[str, WithdrawalReport], bool]
TOLD = re.compile(r".* at (?P<venue>\S+) may be another cycle's as well \((?P<ids>.*)\).*")


def told(venue: str, ids: Collection[str]) -> str:
    """Say of withdrawals, by their venue's ids, that a cycle could have sent one of them, and that others are, or may be, another's."""
    what, sent = "a withdrawal", "did not send it"
    if len(ids) > 1:
        what, sent = f"{len(ids)} withdrawals", "sent none of them"
    return (
        f"{what} at {venue} may be another cycle's as well ({', '.join(sorted(ids))}): "
        f"redrive it only if it {sent}"
    )


def by_word(history: History) -> tuple[set[str], set[str]]:
    """Give the withdrawals that are, and those that may be, of cycles which a person has settled with what was received.

    Those may be that were told of one that was written off.
    """
    sent = _may_have_sent(history)
    theirs: set[str] = set()
    perhaps: set[str] = set()
    for ids in sent.values():
        along = [others for others in sent.values() if others & ids]
        (theirs if len(set().union(*along)) <= len(along) else perhaps).update(ids)
    perhaps |= _of_who_was_written_off(history)
    return theirs, perhaps


def claims(history: History, theirs: Collection[str], perhaps: Collection[str]) -> list[Claim]:
    """Give who would have sent which withdrawals that stand; `theirs` are, and `perhaps` may be, of those that are settled.

    A person's word counts: who was redriven has sent none of those that it had been told of.
    """
    claimed, found = [], nameless.candidates()
    disowned = _disowned([cycle for cycle, _ in found])
    for cycle, step in found:
        not_its_own = disowned[cycle.code, step.venue].union(theirs)
        stand = {
            row.venue_withdrawal_id: row
            for row in replaying.likely(cycle, step, history)
            if row.status is not WithdrawalStatus.FAILED
            and row.venue_withdrawal_id not in not_its_own
        }  # none, or all of it came back: nothing is missing
        if stand:
            claimed.append(((cycle, step), stand))
    counts = Counter(one for _, stand in claimed for one in stand)
    counts.update(perhaps)
    return [(*one, len(one[1]) > 1 or any(counts[row] > 1 for row in one[1])) for one in claimed]


def _disowned(cycles: Collection[Cycle]) -> Mapping[tuple[str, str], set[str]]:
    """Give the withdrawals, by their venue's ids, that cycles had been told of when they were last redriven, by code and venue."""
    by_hand = Intervention.objects.filter(cycle__in=cycles, verb=Verb.REDRIVE).order_by("pk")
    redriven = dict(by_hand.values_list("cycle__code", "pk"))
    runs = Intervention.objects.filter(verb=Verb.CATCH_UP, pk__lt=max(redriven.values(), default=0))
    disowned: dict[tuple[str, str], set[str]] = defaultdict(set)
    for run, code, venue, ids in _told_by(runs if redriven else runs.none()):
        if run < redriven.get(code, 0):
            disowned[code, venue] |= ids
    return disowned


def _told_by(runs: QuerySet[Intervention]) -> Iterator[tuple[int, str, str, set[str]]]:
    """Give what runs told: which run, a cycle's code, a venue, and the ids of those withdrawals there that it may have sent."""
    for run, left in runs.values_list("pk", "payload__left"):
        for line in left or ():
            code, _, rest = line.partition(": ")
            if found := TOLD.fullmatch(rest):
                yield run, code, found["venue"], set(found["ids"].split(", "))


def _may_have_sent(history: History) -> dict[str, set[str]]:
    """Give, by code, what was told of those that were settled so: a run since the withdrawals has told it.

    Not what left a venue where all lies that came of it: whose coins were sold there had sent none.
    """
    since = Intervention.objects.filter(at__gte=history.since)
    gained_at = _gained_at(since.filter(verb=Verb.RESOLVE))
    sent: dict[str, set[str]] = defaultdict(set)
    runs = since.filter(verb=Verb.CATCH_UP) if gained_at else since.none()
    for _, code, venue, ids in _told_by(runs):
        if gained_at.get(code, set()) - {venue}:
            sent[code] |= ids
    return dict(sent)


def _of_who_was_written_off(history: History) -> set[str]:
    """Give what was told of those that were written off: what became of their coins, and where they lie, nobody has said."""
    since = Intervention.objects.filter(at__gte=history.since)
    lost = list(Cycle.objects.filter(pk__in=since.filter(verb=Verb.WRITE_OFF).values("cycle")))
    codes, disowned = {cycle.code for cycle in lost}, _disowned(lost)
    runs = since.filter(verb=Verb.CATCH_UP) if codes else since.none()
    told = [one for one in _told_by(runs) if one[1] in codes]
    return set().union(*(ids - disowned[code, venue] for _, code, venue, ids in told))


def _gained_at(settled: QuerySet[Intervention]) -> dict[str, set[str]]:
    """Give, by code, where those that were settled have more than before: a rest that stayed was named as well."""
    keys = [f"resolved:{cycle}:{made}" for cycle, made in settled.values_list("cycle", "pk")]
    gained = Entry.objects.filter(
        posting__key__in=keys, account__owner=AccountOwner.CYCLE, quantity__gt=0
    )
    venues: dict[str, set[str]] = defaultdict(set)
    for code, venue in gained.values_list("posting__cycle__code", "account__venue"):
        venues[code].add(venue)
    return dict(venues)
