"""The desk itself: its kind and mode, what waits for people, its processes, and whether alerts arrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Max
from django.db.models.functions import Now

from cycles import conf, selectors
from cycles.diagnosis.findings import Finding, amiss, doubtful, well
from cycles.domain.words import DeskKind, Mode
from cycles.models import Alert
from cycles.selectors import DeskSummary
from cycles.services import alerting, homing, rebalancing, telegram, venue_health, withholding
from exchanges import registry

RECENT = timedelta(days=1)
OVERDUE = timedelta(minutes=5)  # a worker delivers, and reconciles, every minute
TEST = "kimp doctor: a test. Whoever reads this gets the desk's alerts."
CATCH_UP = "stop all roles, then run manage.py catch_up; it says what is left, and when roles may look at that"
WAYS = "see that a feeder runs, and what keeps their policy's assets from coming home (below, and pauses)"
ANOTHER_POLICY = "if that is not meant: write another policy (admin, Policy), or give the desk USDT"
DELIVER = "see that a worker runs (manage.py qcluster), and the alerts' last error in the admin"


def of_desk() -> Iterator[Finding]:
    """Say what this desk is, and whether it may begin anything."""
    desk = selectors.desk_summary()
    if not desk.kind:
        yield amiss("kind", "this database has no desk yet", "run manage.py seed_desk")
        return
    yield _kind(desk.kind)
    yield _mode(desk)
    yield _openings()
    yield _home()
    yield _waiting(desk)
    yield from _clocks()
    if conf.time_scale() != 1 and conf.is_live():
        told = f"the policy's durations are divided by {conf.time_scale()}"
        yield amiss("time scale", told, "take KIMP_TIME_SCALE out of the settings")


def _kind(kind: str) -> Finding:
    if kind == DeskKind.SIMULATED and conf.is_live():
        told = "KIMP_LIVE is set, and this database is SIMULATED for ever"
        return amiss(
            "kind", told, "set DATABASE_URL to a new database, then run manage.py seed_desk"
        )
    if kind == DeskKind.LIVE and not conf.is_live():
        told = "this database is LIVE, and KIMP_LIVE is not set: nothing is called"
        return amiss("kind", told, "set KIMP_LIVE=1 for every process, or use another database")
    if kind == DeskKind.LIVE:
        return well("kind", "LIVE, as KIMP_LIVE says: orders and withdrawals are real")
    return well("kind", "SIMULATED, as KIMP_LIVE says: no real money can move")


def _mode(desk: DeskSummary) -> Finding:
    if desk.mode != Mode.RUN:
        told = f"{desk.mode}, by {desk.mode_changed_by or 'system'}: {desk.mode_reason}"
        return doubtful("mode", told, "when its reason is gone: manage.py resume")
    if desk.pauses:
        told = f"RUN, but paused: {', '.join(str(pause) for pause in desk.pauses)}"
        return doubtful("mode", told, "end the pauses whose reasons are gone (admin, Desk)")
    return well("mode", "RUN, nothing is paused")


def _openings() -> Finding:
    """Say whether the policy and what is out leave room for a new cycle."""
    if for_good := withholding.why_for_good():
        told = f"no cycle opens, not even once all capital is home: {'; '.join(for_good)}"
        return doubtful("openings", told, ANOTHER_POLICY)
    if now := withholding.why():
        return well("openings", f"no cycle opens now: {'; '.join(now)}")
    return well("openings", "there is room for a new cycle")


def _home() -> Finding:
    if homing.is_at_home():
        return well("journal", "in step with the venues where this database is")
    return amiss("journal", homing.AWAY, CATCH_UP)


def _waiting(desk: DeskSummary) -> Finding:
    stuck = selectors.open_calls().filter(intended_at__lt=Now() - OVERDUE).count()
    if desk.dead_letters or stuck:
        told = f"{desk.dead_letters} dead letters, {stuck} calls whose outcome is long unknown"
        return doubtful("cycles", told, "clear them first: manage.py cycles lists them")
    stranded = rebalancing.without_a_way_home(OVERDUE)
    if stranded:
        return doubtful("cycles", f"{stranded} have long had no way home", WAYS)
    return well("cycles", f"{desk.open_cycles} open, none waits for a person")


def _clocks() -> Iterator[Finding]:
    """Say which processes, on any host, trade nowhere now because a venue's clock is off there."""
    for reason in venue_health.stopped_clocks(registry.desk_venues()):
        cure = "let time synchronisation run on that host; trading goes on by itself"
        yield amiss("clocks", reason, cure)


def of_alerts(*, sends_test: bool) -> Iterator[Finding]:
    """Say whether alerts reach people; `sends_test`: send one now, besides the outbox."""
    channel = conf.telegram()
    if not channel.is_configured:
        told = "alerts are only logged and shown in the admin"
        cure = "set KIMP_TELEGRAM_TOKEN and KIMP_TELEGRAM_CHAT_ID"
        yield (amiss if conf.is_live() else doubtful)("channel", told, cure)
    elif sends_test:
        yield _tested(telegram.send(channel, TEST, alerting.TIMEOUT_SECONDS))
    else:
        yield _proven()
    yield _outbox()


def _tested(attempt: telegram.Attempt) -> Finding:
    if attempt.is_delivered:
        return well("channel", "Telegram took a test message now; see that it was read")
    cure = "compare the bot's token and the chat with Telegram; has the bot been let into the chat?"
    return amiss("channel", f"a test message was {attempt.outcome}: {attempt.error}", cure)


def _proven() -> Finding:
    last = Alert.objects.filter(state=Alert.State.DELIVERED).aggregate(at=Max("delivered_at"))["at"]
    if last is None:
        told = "Telegram is set, and no alert was ever delivered by it"
        return doubtful("channel", told, "run manage.py doctor --send-test-alert")
    return well("channel", f"Telegram took the last alert at {last:%Y-%m-%d %H:%M} UTC")


def _outbox() -> Finding:
    lost = Alert.objects.filter(state=Alert.State.GIVEN_UP, created_at__gt=Now() - RECENT).count()
    late = Alert.objects.filter(state=Alert.State.PENDING, created_at__lt=Now() - OVERDUE).count()
    if lost or late:
        told = f"{late} alerts wait for over {OVERDUE.seconds // 60} minutes, {lost} were given up today"
        return amiss("outbox", told, DELIVER)
    return well("outbox", "nothing waits, nothing was given up in the last day")
