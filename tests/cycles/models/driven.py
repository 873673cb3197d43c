"""A cycle under its workers, in whatever order they come: those with its lease, and those that have lost it.

What people and stray hands do beside them stands in `state_machine.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cycles.domain.states import DRIVEN_BY, FINAL, RUNNING, TRANSITIONS
from cycles.domain.words import CallOutcome, CycleStatus as S, FailureClass, Operation, Plan
from cycles.errors import CycleError
from cycles.models import Account, Cycle, ExchangeCall, Step, Transition
from cycles.services import advancing, calling, leasing, moving, retrying
from cycles.services.calling import Noted
from cycles.services.intents import Intent
from cycles.services.intervening import Actor
from cycles.services.locking import in_transaction
from cycles.services.matching import OPEN
from cycles.services.moving import Lease
from cycles.services.reconciling import record
from tests import builders

PARKED = {S.RETRY_PENDING, S.DEAD_LETTER}
BY_A_MOVE = sorted({*S} - PARKED)
FAILS = {S.RETRY_PENDING: FailureClass.TRANSIENT, S.DEAD_LETTER: FailureClass.BUG}


met: set[str] = set()  # by what acts were refused


def told(act: Callable[[], object]) -> str:
    """Say what refused an act: an error of ours, or a guard of the database; nothing if it was done."""
    refusal = ""
    try:
        act()
    except CycleError as error:
        refusal = type(error).__name__
    except IntegrityError as error:
        refusal = error.__cause__.diag.constraint_name  # type: ignore[union-attr]  # psycopg's
    met.add(refusal)
    return refusal


class Driven(RuleBasedStateMachine):
    """One cycle and its workers."""

    def __init__(self, actor: Actor, edge: tuple[S, S], gone: set[tuple[S, S]]) -> None:
        super().__init__()
        self.actor, self.edge, self.gone = actor, edge, gone
        origin, to = edge
        self.comes_from = (to if to in RUNNING else S.STARTED) if origin in PARKED else origin
        leasing._marks.update({role: leasing._Mark() for role in leasing.DUE})
        self.around = transaction.atomic()
        self.around._from_testcase = True  # type: ignore[attr-defined]  # what is durable may stand within
        self.around.__enter__()
        self.row = builders.cycle()
        self.status, self.resumes = S.STARTED, S.STARTED
        self.leases: list[Lease] = []  # the newest last
        self.holder: Lease | None = None
        self.asked: tuple[Lease, ExchangeCall] | None = None
        self.seen = [self.row.version]
        self.plan = Plan.RESUME
        self.owns = "USDT"  # nothing: it has been handed over

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.around.__exit__(None, None, None)

    # What workers do.

    @precondition(lambda self: self.status in {*RUNNING, S.RETRY_PENDING})
    @rule(name=st.sampled_from(["one", "another"]))
    def a_worker_claims(self, name: str) -> None:
        past = Now() - timedelta(seconds=1)
        rows = Cycle.objects.filter(pk=self.row.pk)
        rows.update(wake_at=past)
        role = DRIVEN_BY[self.resumes if self.status is S.RETRY_PENDING else self.status]
        if self.holder is not None:
            assert leasing.claim(role, name, limit=1) == []
            rows.update(lease_expires_at=past)
        (self.holder,) = leasing.claim(role, name, limit=1)
        self.leases.append(self.holder)
        assert self.holder.fence == len(self.leases)

    @precondition(lambda self: self.holder is not None)
    @rule(number=st.sampled_from(range(7)))
    def the_newest_goes_along_an_edge(self, number: int) -> None:
        edges = sorted(TRANSITIONS[self.status])
        self.goes(edges[number % len(edges)])

    def goes(self, to: S) -> None:
        """Let who holds the lease go along an edge, in the way that leads there."""
        if to in PARKED:
            self.fails(self.leases[-1], FAILS[to])
        elif self.status is S.RETRY_PENDING and to is self.resumes:
            advancing.one_unit(self.leases[-1])
            self.look()
            assert self.status is to
        else:
            self.moves(self.leases[-1], to)

    @precondition(lambda self: self.holder is not None)
    @rule(to=st.sampled_from(BY_A_MOVE))
    def the_newest_goes_anywhere(self, to: S) -> None:
        self.moves(self.leases[-1], to)

    @precondition(lambda self: self.leases[-1] is not self.holder or len(self.leases) > 1)
    @rule(number=st.sampled_from(range(4)), to=st.sampled_from(BY_A_MOVE))
    def one_whose_lease_is_lost_goes_on(self, number: int, to: S) -> None:
        lost = [lease for lease in self.leases if lease is not self.holder]
        lease = lost[number % len(lost)]
        self.moves(lease, to)
        self.fails(lease, FailureClass.TRANSIENT)
        assert leasing.release(lease, wake_in=timedelta(0)) is False

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_newest_hands_back(self) -> None:
        assert leasing.release(self.leases[-1], wake_in=timedelta(0)) is True
        self.look()

    def moves(self, lease: Lease, to: S) -> None:
        """Decide for a status, as the services do."""

        def work() -> None:
            cycle = moving.lock_for_decision(lease)
            late: dict[str, Any] = {"next_retry_at": None} if self.status is S.RETRY_PENDING else {}
            moving.move(cycle, to, event="test", actor="test", return_asset="XRP", **late)

        refusal = self.refusal(to)
        if lease is not self.holder:
            refusal = "LeaseLostError"
        elif to not in TRANSITIONS[self.status]:
            refusal = "IllegalTransitionError"
        assert told(lambda: in_transaction(work)) == refusal
        self.look()

    def fails(self, lease: Lease, failure: FailureClass) -> None:
        """Fail; a dead letter by a bug, else a retry until there were enough."""
        before = self.status
        refused = told(lambda: retrying.fail(lease, failure, "a test", actor="test"))
        self.row.refresh_from_db()
        after = S(self.row.status)
        if lease is not self.holder:
            assert (refused, after) == ("LeaseLostError", before)
        elif before is S.RETRY_PENDING and after is before:  # to itself is no edge
            assert refused == "IllegalTransitionError"
        else:
            assert (refused, after in PARKED) == ("", True)
            assert after is S.DEAD_LETTER or failure is not FailureClass.BUG
            self.resumes = self.resumes if before is S.RETRY_PENDING else before
        self.look()

    # What they ask of venues.

    @precondition(lambda self: self.status in RUNNING and self.asked is None)
    @rule(number=st.sampled_from(range(2)))
    def a_worker_intends(self, number: int) -> None:
        lease = self.leases[-1 - number]
        step = Step.objects.filter(cycle=self.row)[0]
        intent = Intent(
            operation=Operation.PLACE_ORDER,
            payload={"market": "XRP/USDT"},
            client_order_id=f"{self.row.pk.hex[:20]}{step.attempt}",
        )
        refused = told(lambda: calling.intend(lease, step, intent))
        assert refused == ("" if lease is self.holder else "LeaseLostError")
        if not refused:
            self.asked = lease, ExchangeCall.objects.select_related("step").latest("pk")
        self.look()

    @precondition(lambda self: self.asked is not None)
    @rule(outcome=st.sampled_from([CallOutcome.UNKNOWN, CallOutcome.REFUSED, CallOutcome.ABSENT]))
    def something_is_known_of_it(self, outcome: CallOutcome) -> None:
        """By its worker, or where it is absent by whoever looks: a fact is not fenced. Of a dead letter it is news."""
        assert self.asked is not None
        before = self.seen[-1]
        lease, call = self.asked
        if outcome is CallOutcome.ABSENT:
            record(call, Noted(outcome=outcome))
        else:
            refused = told(lambda: calling.note(lease, call, Noted(outcome=outcome)))
            assert refused == ("" if lease is self.holder else "LeaseLostError")
        call.refresh_from_db()
        assert call.outcome == outcome
        self.asked = self.asked if outcome is CallOutcome.UNKNOWN else None
        self.look()
        if self.status is S.DEAD_LETTER and self.asked is None:
            assert self.seen[-1] == before + 1

    def refusal(self, to: S) -> str:
        """Name the guard that keeps the cycle from going along an edge now."""
        if self.status is S.RETRY_PENDING and to in RUNNING and to is not self.resumes:
            return "cycle_resumes_where_it_stopped"
        if to in PARKED and self.status in RUNNING and self.resumes is not self.status:
            return "cycle_stores_where_it_stopped"
        if to not in FINAL or not (self.owns or self.asked):
            return ""
        return "cycle_final_owns_nothing" if self.owns else "cycle_final_has_no_open_call"

    def look(self) -> None:
        """Take in what was done: where it stands, what an operator sees, who has it."""
        self.row.refresh_from_db()
        status = S(self.row.status)
        if status is not self.status:
            self.gone.add((self.status, status))
        self.status = status
        self.seen.append(self.row.version)
        if not self.row.lease_owner:
            self.holder = None

    # What holds at every moment.

    @invariant()
    def the_row_is_what_must_have_become_of_it(self) -> None:
        self.row.refresh_from_db()
        holder = self.holder.owner if self.holder is not None else ""
        is_as_told = (self.row.status, self.row.fence, self.row.lease_owner)
        assert is_as_told == (self.status, len(self.leases), holder)
        assert self.row.resume_status == self.resumes or self.status not in PARKED
        assert self.row.plan == self.plan
        # What the sweep of retries goes by.
        assert (self.row.next_retry_at is not None) is (self.status == S.RETRY_PENDING)

    @invariant()
    def its_transitions_are_one_way_along_the_edges(self) -> None:
        rows = list(
            Transition.objects.filter(cycle=self.row)
            .order_by("version")
            .values_list("from_status", "to_status", "version")
        )
        assert (rows[0][0], rows[-1][1]) == ("", self.status)
        for (_, end, before), (begin, to, after) in pairwise(rows):
            assert (begin, before < after <= self.row.version) == (end, True)
            assert S(to) in TRANSITIONS[S(begin)]

    @invariant()
    def an_end_owns_nothing_and_waits_for_nothing(self) -> None:
        assert (self.row.ended_at is not None) is (self.status in FINAL)
        if self.status in FINAL:
            assert not Account.objects.filter(cycle=self.row).exclude(balance=0).exists()
            assert not self.row.calls.filter(outcome__in=OPEN).exists()
            assert self.row.lease_owner == ""
