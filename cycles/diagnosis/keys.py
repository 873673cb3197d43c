"""Our key at a venue: what it may do and what it should not, from where, until when.

Read from what the venue tells and, where it tells nothing (the Korean venues and their scopes, Upbit's
withdrawal block), from what it last said to a real order or withdrawal of the desk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db.models import Max

from cycles.diagnosis.findings import Finding, amiss, doubtful, spoken, well
from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall
from exchanges.errors import RefusalReason, RefusedError
from exchanges.market_sync import markets_at
from exchanges.port import Venue
from exchanges.values import KeyReport

EXPIRES_SOON = timedelta(days=14)
LOOK_BACK = timedelta(days=1)
RECENT_CALLS = 100_000  # looked through by number: the journal is long, and no index has outcomes
ASSET = "XRP"
SUBJECTS = {
    ("", Operation.PLACE_ORDER): "trading",
    ("", Operation.WITHDRAW): "withdrawing",
    ("upbit", Operation.WITHDRAW): "withdrawal block",  # on by default for keys that may withdraw
}
KEY_PAGE = "on the venue's page of API keys"
CURES = {  # of a refused key, by the venues' own names
    "expired": f"make a new key {KEY_PAGE} and put it into the settings",
    "ip": f"add this machine's outgoing address to the key's allow-list {KEY_PAGE}",
    "-2015": f"compare key, allow-list of addresses and permissions {KEY_PAGE}",
}


def of_scopes(venue: Venue, now: datetime) -> Iterator[Finding]:
    """Say what the venue tells of the key: its end, its allow-list, and what it may do."""
    told = venue.key_report()
    yield _end(told, now)
    yield _allow_list(told)
    for operation, is_granted in (
        (Operation.PLACE_ORDER, told.may_trade),
        (Operation.WITHDRAW, told.may_withdraw),
    ):
        subject = SUBJECTS.get((venue.code, operation)) or SUBJECTS["", operation]
        if is_granted is None:
            yield _answered(subject, venue.code, operation)
        else:
            yield _granted(subject) if is_granted else _not_granted(subject)
    yield from _excess(told)
    yield from _held(told)


def refused(error: RefusedError) -> Finding:
    """Say what a venue has against the key as such."""
    cure = next((text for part, text in CURES.items() if part in error.code.lower()), "")
    return amiss("key", str(error), cure or f"compare the settings with the key {KEY_PAGE}")


def _end(told: KeyReport, now: datetime) -> Finding:
    if told.expires_at is None:
        return well("expiry", "the venue tells of no end")
    left = told.expires_at - now
    detail = f"ends {told.expires_at:%Y-%m-%d}, in {spoken(left)}"
    renew = f"make a new key {KEY_PAGE}, put it into the settings, then delete this one"
    if left <= timedelta():
        return amiss("expiry", f"ended {told.expires_at:%Y-%m-%d}, {spoken(left)} ago", renew)
    if left < EXPIRES_SOON:
        return doubtful("expiry", detail, renew)
    return well("expiry", detail)


def _allow_list(told: KeyReport) -> Finding:
    subject, cure = "allow-list", f"restrict the key to this machine's outgoing address {KEY_PAGE}"
    if told.has_allow_list:
        return well(subject, "only listed addresses may call with the key, this one among them")
    if told.has_allow_list is None:
        return doubtful(subject, "the venue does not tell whether callers are restricted", cure)
    if told.may_withdraw is False:
        return doubtful(subject, "anybody from anywhere may call with the key", cure)
    return amiss(subject, "whoever has the key may withdraw with it from anywhere", cure)


def _excess(told: KeyReport) -> Iterator[Finding]:
    if told.extras:
        yield doubtful(
            "excess",
            f"the key may also: {', '.join(told.extras)}",
            f"take away {KEY_PAGE} what the desk never uses: who steals the key could use it",
        )
    elif told.may_withdraw is not None:  # a venue that tells of scopes at all
        yield well("excess", "the key may do nothing that the desk does not need")


def _held(told: KeyReport) -> Iterator[Finding]:
    """Say what keeps the whole account from withdrawing, where the venue tells."""
    if told.is_locked:
        yield amiss("account", "it is locked", "ask the venue's support why, and have it unlocked")
    elif told.delayed_krw:
        amount = f"{told.delayed_krw.normalize():,f}"
        yield doubtful(
            "account",
            f"coins worth {amount} KRW may not leave yet: as much came in by bank lately",
            "wait until the venue's delay is over (24 to 72 hours), or keep cycles smaller than the rest",
        )
    elif told.is_locked is not None:
        yield well("account", "not locked, no withdrawal is delayed")


def _granted(subject: str) -> Finding:
    return well(subject, "granted")


def _not_granted(subject: str) -> Finding:
    return amiss(subject, "the key may not", f"grant it {KEY_PAGE}")


def _answered(subject: str, venue: str, operation: Operation) -> Finding:
    """Judge a scope that the venue does not tell by what it answered to the desk's newest such call."""
    newest = ExchangeCall.objects.aggregate(newest=Max("pk", default=0))["newest"]
    answered = ExchangeCall.objects.filter(
        pk__gt=newest - RECENT_CALLS,
        venue=venue,
        operation=operation,
        outcome__in=[CallOutcome.DONE, CallOutcome.REFUSED],
    )
    last = answered.order_by("-pk").first()
    if last is None:
        return doubtful(
            subject,
            "not told to calls that only read; the desk has sent none of these here lately",
            _grants(venue, operation) + "; begin with one small cycle and watch it",
        )
    when = f"{last.intended_at:%Y-%m-%d %H:%M} UTC"
    if last.outcome == CallOutcome.REFUSED and last.refusal_reason == RefusalReason.KEY:
        cure = _grants(venue, operation) + "; the next one that is accepted clears this line"
        return amiss(subject, f"refused to the key at {when}: {last.error}", cure)
    return well(subject, f"last done at {when}")


def _grants(venue: str, operation: Operation) -> str:
    """Say what a person grants where no program can look."""
    if operation is not Operation.WITHDRAW:
        return f"see {KEY_PAGE} that it may trade"
    if venue == "upbit":
        return (
            "lift the key's withdrawal block in Upbit's mobile app (More, Security, Open API), and see "
            f"{KEY_PAGE} that it may withdraw"
        )
    return f"see {KEY_PAGE} that it may withdraw"


def of_views(venue: Venue, now: datetime) -> Iterator[Finding]:
    """Say what the key may not look at: the desk reads all of these."""
    since, market = now - LOOK_BACK, markets_at(venue.code)[0]
    looks: dict[str, Callable[[], object]] = {
        "balances": venue.balances,
        "orders' terms": lambda: venue.market_rules(market),
        "withdrawals": lambda: venue.withdrawals(ASSET, since=since),
        "deposits": lambda: venue.deposits(ASSET, since=since),
        "allowed destinations": lambda: venue.withdrawal_addresses(ASSET),
    }
    closed = [name for name, look in looks.items() if not _may(look)]
    if closed:
        yield amiss("reading", f"the key may not read {', '.join(closed)}", f"grant it {KEY_PAGE}")
    else:
        yield well("reading", f"the key reads {', '.join(looks)}")


def _may(look: Callable[[], object]) -> bool:
    try:
        look()
    except RefusedError as error:
        if error.reason is RefusalReason.KEY:
            return False
        raise
    return True
