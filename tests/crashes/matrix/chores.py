"""What each job of the queue has to do when it is killed, where it must come by, and what must come of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import Task

from cycles.domain import postings
from cycles.domain.states import FINAL
from cycles.domain.words import AccountOwner, FailureClass, Mode, PostingKind
from cycles.models import (
    Alert,
    Cycle,
    Desk,
    EndedTotal,
    Heartbeat,
    IdempotencyRecord,
    PremiumHour,
    PremiumMinute,
    PremiumSample,
    RollUpMark,
    SeenOrder,
    Transition,
)
from cycles.services import booking, desk, retrying
from cycles.services.dead_letters import AUTO_RECOVERED
from exchanges.models import RateWindow, VenueClock
from tests import builders, ended
from tests.crashes.matrix import acts
from tests.crashes.matrix.chore import Chore, OnCycle
from tests.crashes.matrix.counting import IN_MATRIX
from tests.crashes.matrix.refresh_markets import RefreshMarkets
from tests.crashes.matrix.test_acts import BEFORE_SENDING_COINS, dead
from tests.crashes.matrix.world import Point

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ASSET = "KMP"  # that nobody samples


class SweepExpiredLeases(OnCycle):
    """An order was sent, and its worker is gone."""

    must: ClassVar = {"leasing._leased": 1, "trading.adopt": 1, "binance withdraw": 1}
    own = ("leasing._leased", "reconciling.", "trading.adopt")

    def make(self, number: int) -> Cycle:
        return self.orphan()

    def found(self, work: Cycle, point: Point | None = None) -> Any:
        row = Cycle.objects.get(pk=work.pk)
        sent = row.calls.filter(step__passage="OUTBOUND", venue="binance", operation="PLACE_ORDER")
        return row.lease_owner, list(sent.values_list("outcome"))


class ReconcileOpenCalls(OnCycle):
    """An order was sent, and nobody knows what became of it."""

    seams = frozenset({"reconciling._begun"})
    must: ClassVar = {"reconciling._begun": 1, "binance order": 1, "reconciling.record": 1}
    own = ("reconciling.", "binance order", "rotating.")

    def make(self, number: int) -> Cycle:
        return self.orphan()

    def found(self, work: Cycle, point: Point | None = None) -> Any:
        return list(work.calls.values_list("operation", "outcome"))


class SweepRetries(OnCycle):
    """Coins wait to be sent, and the retry is due."""

    must: ClassVar = {"leasing._leased": 1, "advancing._resume": 1, "binance withdraw": 1}
    own = ("leasing._leased", "advancing._resume")
    calls_venues = False  # only behind its own places

    def make(self, number: int) -> Cycle:
        cycle = self.matrix.die(BEFORE_SENDING_COINS)
        Cycle.objects.filter(pk=cycle.pk).update(lease_expires_at=Now())
        lease = self.matrix.desk.lease(cycle)
        retrying.fail(lease, FailureClass.TRANSIENT, "a test", actor=lease.owner)
        cycle.refresh_from_db()
        assert cycle.status == "RETRY_PENDING"
        self.let_time_pass(cycle)
        return cycle

    def found(self, work: Cycle, point: Point | None = None) -> Any:
        resumed = Transition.objects.filter(cycle=work, from_status="RETRY_PENDING")
        return resumed.count(), Cycle.objects.get(pk=work.pk).failure_class


class ProcessDeadLetters(OnCycle):
    """A dead letter owns coins, and may go on at little loss."""

    seams = frozenset({"dead_letters._recover"})
    must: ClassVar = {"dead_letters._recover": 1}
    own = ("dead_letters.", "rotating.")
    calls_venues = False  # only behind its own places, or not at all: it knows the books

    def make(self, number: int) -> Cycle:
        return dead(self.matrix)

    def found(self, work: Cycle, point: Point | None = None) -> Any:
        moves = Transition.objects.filter(cycle=work, event=AUTO_RECOVERED)
        return Cycle.objects.get(pk=work.pk).status, moves.count()


class TellOfBans(Chore):
    """A venue has banned us."""

    must: ClassVar = {"venue_health.tell_of_bans": 1}

    def make(self, number: int) -> datetime:
        until = desk.database_now() + number * HOUR
        held = {"span_ms": 1000, "most": 0, "used": [0] * 10, "held_because": "banned"}
        RateWindow.objects.update_or_create(
            venue="bithumb", name="*", scope="a test", defaults=held | {"held_until": until}
        )
        return until

    def found(self, work: datetime, point: Point | None = None) -> Any:
        key = f"banned:bithumb:a test:{work:%Y%m%d%H%M}"
        return Alert.objects.filter(key=key, severity="CRITICAL").count()


class DeliverAlerts(Chore):
    """Two alerts are due, and there is a channel for them."""

    seams = frozenset({"alerting._claim", "telegram.send"})
    must: ClassVar = {
        "alerting._claim": 2,
        "telegram.send": 4,
        "alerting._note_delivery": 2,
    }
    times = 2

    def make(self, number: int) -> list[Alert]:
        Alert.objects.filter(state="PENDING").update(state=Alert.State.LOGGED)
        keys = [f"test {number} {one}" for one in ("one", "other")]
        return [builders.alert(key=key, title=key, due_at=Now()) for key in keys]

    def let_time_pass(self, work: list[Alert]) -> None:
        mine = Alert.objects.filter(pk__in=[one.pk for one in work], state="PENDING")
        mine.update(due_at=Now())

    def found(self, work: list[Alert], point: Point | None = None) -> Any:
        """Give the states, and how often each was told: twice only where its delivery was not noted."""
        may_repeat = point is not None and any(
            words in point.name
            for words in ("sent, not", "after the call", "_note_delivery", "_claim | after")
        )
        states = Alert.objects.filter(pk__in=[one.pk for one in work]).values_list(
            "state", flat=True
        )
        told = [sum(one.title in text for text in self.sink.texts) for one in work]
        return list(states), [
            min(count, 1) if may_repeat and count < 3 else count for count in told
        ]


class RollUpSamples(Chore):
    """Samples of two minutes, and cycles that have ended, each in more than one batch."""

    seams = frozenset({"rolling_up.roll_up", "rolling_up.roll_up#2", "rolling_up.roll_up#3"})
    must: ClassVar = {
        "rolling_up.roll_up": 11
    }  # the first look, and two for each turn that found cycles, and the last
    times = 3

    def make(self, number: int) -> datetime:
        newest = PremiumSample.objects.aggregate(newest=Max("id"))["newest"] or 0
        RollUpMark.objects.update_or_create(pk=1, defaults={"done_to": newest})
        begins = datetime(2024, 12, 3, tzinfo=UTC) + number * HOUR
        for place, bps in enumerate((20, 50, 10, 30, 7)):
            at = begins + place * timedelta(seconds=20)
            builders.sample(ASSET, at=at, outbound_traded_bps=Decimal(bps))
        for _ in range(7):
            ended.with_nothing()
        return begins

    def found(self, work: datetime, point: Point | None = None) -> Any:
        return self._buckets(work), self._totals()

    def _totals(self) -> list[tuple[str, bool]]:
        """Say of which status some have ended; all of them are in its total, once."""
        totals = dict(EndedTotal.objects.values_list("status", "count"))
        rows = Cycle.objects.filter(ended_at__isnull=False)
        ended = {status: rows.filter(status=status).count() for status in FINAL}
        assert {status: totals.get(status, 0) for status in FINAL} == ended
        return sorted((status.value, number > 0) for status, number in ended.items())

    def _buckets(self, work: datetime) -> list[tuple[object, ...]]:
        columns = ("measure", "count", "first", "last", "low", "high", "total")
        return [
            (row["at"] - work, *(row[name] for name in columns))
            for rows in (PremiumMinute.objects, PremiumHour.objects)
            for row in rows.filter(asset=ASSET, at__gte=work, at__lt=work + HOUR)
            .order_by("measure", "at")
            .values("at", *columns)
        ]


class Prune(Chore):
    """Something old of each kind, and something young, which stays."""

    seams = frozenset({"retention._prune"})
    must: ClassVar = {
        "tasks._prune": 1, "pruning.prune": 3, "retention._prune": 4, "pruning._forget_seen": 3,
    }  # fmt: skip
    times = 3 if IN_MATRIX else 2

    def make(self, number: int) -> str:
        now, name = timezone.now(), f"test {number}"
        for days in (40, 41):
            builders.sample(ASSET, at=now - days * DAY)
        self._roll_ups(now)
        newest = PremiumSample.objects.aggregate(newest=Max("id"))["newest"]
        RollUpMark.objects.update_or_create(pk=1, defaults={"done_to": newest})
        Task.objects.create(
            id=uuid.uuid4().hex, name=name, func=name, success=True, started=now - 2 * DAY,
            stopped=now - 2 * DAY,
        )  # fmt: skip
        user, _ = User.objects.get_or_create(username="old")
        for age in (0, 4):
            key = f"{name} {age}"
            IdempotencyRecord.objects.create(user=user, key=key, fingerprint=key)
            IdempotencyRecord.objects.filter(key=key).update(created_at=now - age * DAY)
            Heartbeat.objects.create(name=key, role="WORKER", beat_at=now - age * DAY)
        VenueClock.objects.create(
            venue="upbit", host=name, ahead_ms=0, doubt_ms=0, measured_at=now - 8 * DAY
        )
        self._seen(now - 101 * DAY, name)
        return name

    def _roll_ups(self, now: datetime) -> None:
        numbers = dict.fromkeys(("count", "first", "last", "low", "high", "total"), 1)
        for rows, days in ((PremiumMinute.objects, 500), (PremiumHour.objects, 4000)):
            rows.create(
                asset=ASSET, korea_venue="upbit", measure="outbound_traded_bps",
                at=now - days * DAY, **numbers,
            )  # fmt: skip

    def _seen(self, at: datetime, name: str) -> None:
        SeenOrder.objects.create(
            venue="upbit", status="filled", first_seen_at=at, changed_at=at, look=1,
            client_order_id=name, venue_order_id=name, market="XRP/KRW", quantity=1,
            executed_quantity=1,
        )  # fmt: skip

    def found(self, work: str, point: Point | None = None) -> Any:
        rolled = [
            rows.filter(asset=ASSET).count()
            for rows in (PremiumMinute.objects, PremiumHour.objects)
        ]
        return {
            "samples": PremiumSample.objects.filter(asset=ASSET).count(),
            "rolled": rolled,
            "results": Task.objects.filter(name=work).count(),
            "answers": list(
                IdempotencyRecord.objects.filter(key__startswith=f"{work} ").values_list("fingerprint")
            ) == [(f"{work} 0",)],
            "beats": Heartbeat.objects.filter(name__startswith=f"{work} ").count(),
            "clocks": VenueClock.objects.filter(host=work).count(),
            "seen": SeenOrder.objects.filter(client_order_id=work).count(),
        }  # fmt: skip


class VerifyLedger(Chore):
    """The ledger has a bit more than its venue."""

    seams = frozenset({"desk.halt_by_system"})
    must: ClassVar = {
        "desk.halt_by_system": 1, "binance balances": 1,
    }  # fmt: skip
    calls_venues = True
    only_reads_on_the_wire = True

    def make(self, number: int) -> int:
        Alert.objects.filter(key__startswith="ledger:").delete()
        self._post(f"a bit more {number}", Decimal("0.00000001"))
        return Desk.objects.get().version

    def _post(self, key: str, quantity: Decimal) -> None:
        lines = postings.moved(
            "binance", "USDT", quantity, origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
        )
        booking.post(key, PostingKind.CAPITAL, lines)

    def found(self, work: int, point: Point | None = None) -> Any:
        row = Desk.objects.get()
        is_told = Alert.objects.filter(key__startswith="ledger:", severity="CRITICAL").exists()
        return row.mode, row.version - work, is_told

    def clear(self, work: int) -> None:
        self._post(f"a bit less {self.begun}", Decimal("-0.00000001"))
        seen = Desk.objects.get().version
        desk.set_mode(Mode.RUN, actor=self.matrix.actor, reason="a test", seen_version=seen)


CHORES: Mapping[str, type[Chore]] = {
    "sweep_retries": SweepRetries,
    "sweep_expired_leases": SweepExpiredLeases,
    "process_dead_letters": ProcessDeadLetters,
    "reconcile_open_calls": ReconcileOpenCalls,
    "tell_of_bans": TellOfBans,
    "deliver_alerts": DeliverAlerts,
    "roll_up_samples": RollUpSamples,
    "refresh_markets": RefreshMarkets,
    "verify_ledger": VerifyLedger,
    "prune": Prune,
}
assert set(CHORES) == set(acts.JOBS)
