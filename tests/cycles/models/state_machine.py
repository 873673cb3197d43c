"""A cycle under whatever workers, operators and stray hands do to it, in whatever order.

Against the real database, through the real services. Beside the row stands what must have become of it; each act is
done or refused as that says, by the guard that it names.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from cycles.domain.postings import Line
from cycles.domain.states import FINAL, RUNNING, TRANSITIONS
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus as S,
    Plan,
    PostingKind,
)
from cycles.models import Cycle, ExchangeCall
from cycles.services import booking, dead_letters, desk, moving, redriving
from cycles.services.intervening import Actor
from cycles.services.locking import in_transaction
from cycles.services.matching import OPEN
from cycles.services.resolving import ResolutionOutcome
from tests import builders
from tests.cycles.models.driven import FAILS, PARKED, Driven, told
from tests.cycles.models.verbs import ACTS

MAIN_LINE = (
    S.STARTED, S.INITIAL_TRADE_COMPLETED, S.AWAITING_REBALANCE, S.REBALANCING_IN_PROGRESS,
    S.REBALANCE_TRADE_COMPLETED,
)  # fmt: skip
HOUR = timedelta(hours=1)
BOUGHT = [  # a cycle's 5000 USDT
    Line("binance", "USDT", AccountOwner.CYCLE, Decimal(-5000)),
    Line("binance", "USDT", AccountOwner.CONVERSION, Decimal(5000)),
    Line("binance", "XRP", AccountOwner.CONVERSION, Decimal(-2000)),
    Line("binance", "XRP", AccountOwner.CYCLE, Decimal(2000)),
]
STATED_ABSENT = f"resolve {ResolutionOutcome.CALL_ABSENT}"
UNWIND, IN_BULK, BY_ITSELF = "unwind", "redrive in bulk", "recover"
TAKES_ON = {"acknowledge", STATED_ABSENT}
BY_COINS = {UNWIND, BY_ITSELF}


def ways(edge: tuple[S, S]) -> list[str]:
    """Give the ways along an edge: of a dead letter each that leads there, else the one that there is."""
    origin, to = edge
    if origin is not S.DEAD_LETTER:
        return [""]
    by_hand = [name for name, act in ACTS.items() if act.leads_to is to]
    return [*by_hand, IN_BULK, BY_ITSELF] if to is S.RETRY_PENDING else by_hand


done: set[str] = set()  # by what it was moved, or told of


class Cycles(Driven):
    """One cycle, its workers, its operators and stray hands."""

    def __init__(
        self, actor: Actor, edge: tuple[S, S], gone: set[tuple[S, S]], way: str = ""
    ) -> None:
        super().__init__(actor, edge, gone)
        self.way = way
        self.looked: redriving.Seen | None = None
        self.is_as_looked = False  # a dead letter that nobody has acted on since that look
        self.is_taken_on = self.has_recovered = False

    @initialize(owns=st.sampled_from(["", "USDT", "XRP"]), asks=st.booleans())
    def it_goes_along_one_edge(self, owns: str, asks: bool) -> None:
        """Begin where the edge does, and not with the first worker; an end has to wait for what was asked."""
        origin, to = self.edge
        if self.way in BY_COINS:
            owns, asks = "XRP", False
        self.has("" if to in FINAL else owns)
        for status in MAIN_LINE[1 : MAIN_LINE.index(self.comes_from) + 1]:
            builders.moved_to(self.row, status, return_asset="XRP")
            self.look()
        for _ in range(2):
            self.a_worker_claims("one")
        if asks:
            self.a_worker_intends(0)
        if origin in PARKED:
            self.fails(self.leases[-1], FAILS[origin])
        if origin is S.RETRY_PENDING:
            self.a_worker_claims("one")
        self.takes(origin, to)
        if self.status is not to and self.asked:
            self.it_turns_out_absent()
            self.takes(origin, to)
        assert self.status is to

    def has(self, owns: str) -> None:
        """Let it own something, or nothing."""
        if not owns:
            self.what_it_owns_goes_back_to_the_desk()
        elif owns != self.owns:
            booking.post("bought", PostingKind.FILL, BOUGHT, cycle=self.row)
        self.owns = owns

    def takes(self, origin: S, to: S) -> None:
        """Let who may go along an edge do that, in the way that is asked for."""
        if self.way == IN_BULK:
            self.an_operator_looks_at_all_dead_letters()
            self.all_that_were_seen_are_redriven()
        elif self.way == BY_ITSELF:
            self.who_can_recovers_by_itself()
        elif origin is S.DEAD_LETTER:
            self.acts(self.way, self.seen[-1])
        else:
            self.goes(to)

    def it_turns_out_absent(self) -> None:
        """Of a dead letter by a person's word, and not before its venue has had its time."""
        if self.status is S.DEAD_LETTER:
            self.acts(STATED_ABSENT, self.seen[-1])
            self.an_hour_passes()
            self.acts(STATED_ABSENT, self.seen[-1])
        else:
            self.something_is_known_of_it(CallOutcome.ABSENT)

    # What people do.

    @precondition(lambda self: self.status is S.DEAD_LETTER)
    @rule(name=st.sampled_from(sorted(ACTS)), is_late=st.booleans())
    def an_operator_decides(self, name: str, is_late: bool) -> None:
        if is_late:
            self.an_hour_passes()
        self.acts(name, self.seen[-1])

    @rule(name=st.sampled_from(sorted(ACTS)), back=st.sampled_from(range(3)))
    def an_operator_acts_on_what_was_seen(self, name: str, back: int) -> None:
        self.acts(name, self.seen[max(len(self.seen) - 1 - back, 0)])

    def acts(self, name: str, seen: int) -> None:
        """Let an operator act on the version that was seen."""
        refusal = self.objection(name, seen)
        facts = {"actor": self.actor, "reason": "a test", "seen_version": seen}
        assert told(lambda: ACTS[name].do(self.row.pk, **facts)) == refusal
        if not refusal:
            self.acted(name)
        self.look()

    def objection(self, name: str, seen: int) -> str:
        """Say what refuses an act now."""
        if seen != self.seen[-1]:
            return "StaleVersionError"
        if self.status is not S.DEAD_LETTER:
            return "NotAllowedNowError"
        if name == STATED_ABSENT:
            return "" if self.asked and self.is_over() else "NotAllowedNowError"
        if self.asked and (name == UNWIND or ACTS[name].leads_to in FINAL):
            return "UnresolvedCallError"
        return "NotAllowedNowError" if name == UNWIND and self.owns != "XRP" else ""

    def acted(self, name: str) -> None:
        """Take in what an act was."""
        done.add(name)
        self.is_as_looked = False
        if name in TAKES_ON:
            self.is_taken_on = True
        if name == STATED_ABSENT:
            self.asked = None
        if ACTS[name].leads_to in FINAL:
            self.owns = ""
        if ACTS[name].leads_to is S.RETRY_PENDING:
            self.plan = Plan.UNWIND if name == UNWIND else Plan.RESUME

    def is_over(self) -> bool:
        """Say whether its venue has had the time in which it may accept what was asked."""
        assert self.asked is not None
        call = ExchangeCall.objects.get(pk=self.asked[1].pk)
        return (call.noted_at or self.row.status_since) < desk.database_now() - HOUR / 2

    def an_hour_passes(self) -> None:
        """Whoever looked at all dead letters looks anew."""
        Cycle.objects.filter(pk=self.row.pk).update(status_since=F("status_since") - HOUR)
        self.row.calls.filter(outcome__in=OPEN).update(noted_at=F("noted_at") - HOUR)
        self.row.refresh_from_db()
        self.looked = None

    @precondition(lambda self: self.status in PARKED)
    @rule()
    def an_operator_looks_at_all_dead_letters(self) -> None:
        self.is_as_looked = self.status is S.DEAD_LETTER
        self.looked = redriving.look(redriving.Filter(), actor=self.actor)
        assert self.looked.count == self.is_as_looked

    @precondition(lambda self: self.looked is not None)
    @rule()
    def all_that_were_seen_are_redriven(self) -> None:
        """But for one that died anew since, or that anybody has acted on."""
        seen, moved = self.looked, []
        assert seen is not None

        def work() -> None:
            moved.append(redriving.redrive_all(seen, actor=self.actor, reason="a test").count)

        assert told(work) == ("" if seen.count else "NotAllowedNowError")
        assert sum(moved) == self.is_as_looked
        if self.is_as_looked:
            done.add(IN_BULK)
            self.plan = Plan.RESUME
        self.look()

    @precondition(lambda self: self.status in PARKED)
    @rule()
    def who_can_recovers_by_itself(self) -> None:
        """Once, with coins at a price, while nothing is unknown and nobody has taken it on."""
        now = desk.database_now()
        builders.sample(at=now, rate_quoted_at=now, global_bid=Decimal("2.5"))
        is_dead = self.status is S.DEAD_LETTER and self.owns == "XRP" and self.asked is None
        recovers = is_dead and not (self.is_taken_on or self.has_recovered)
        assert dead_letters.process_dead_letters() == recovers
        if recovers:
            done.add(BY_ITSELF)
            self.has_recovered, self.plan = True, Plan.UNWIND
        self.look()

    def look(self) -> None:
        """Take in beside all else whether it died anew, or is not dead any more."""
        before = self.status
        super().look()
        if self.status is not before:
            self.is_as_looked = self.is_taken_on = False

    # What should not be there.

    @precondition(lambda self: self.owns and self.status not in FINAL)
    @rule()
    def what_it_owns_goes_back_to_the_desk(self) -> None:
        builders.hand_over(self.row)
        self.owns = ""

    @precondition(lambda self: self.status in RUNNING and self.resumes is not self.status)
    @rule(to=st.sampled_from(sorted(PARKED)))
    def a_stray_hand_parks_it_as_stopped_elsewhere(self, to: S) -> None:
        self.a_stray_hand_writes_a_status(to, is_written=True)

    @rule(to=st.sampled_from(S), is_written=st.booleans())
    def a_stray_hand_writes_a_status(self, to: S, is_written: bool) -> None:
        """Even with the version and the transition row that it takes."""
        refusal = self.refusal(to) if is_written else "cycle_transition_is_written"
        if to not in TRANSITIONS[self.status]:
            refusal = "cycle_moves_legally"
        if to is self.status or not refusal:
            return

        def work() -> None:
            if is_written:
                moving.write_transition(
                    self.row, self.status, to, event="stray", actor="stray", reason=""
                )
            changes = {"resume_status": self.resumes, "status": to, "version": F("version") + 1}
            Cycle.objects.filter(pk=self.row.pk).update(**changes)

        assert told(lambda: in_transaction(work)) == refusal
