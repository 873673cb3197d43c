"""A desk's first day: what the database is, its starter policy, and opening balances in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.db import transaction

from cycles import conf
from cycles.domain import postings
from cycles.domain.words import AccountOwner, DeskKind, PostingKind
from cycles.errors import PolicyDeniedError, StaleDataError
from cycles.models import Account, PolicyVersion
from cycles.services import booking, desk, refreshing, standing_in
from exchanges import registry
from exchanges.values import Balance

STARTER_REASON = "starter policy"


@dataclass(slots=True)
class Seeded:
    """What was set up; nothing that stood already is changed."""

    kind: str = ""
    policy: int = 0
    balances: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def seed(policy: Mapping[str, object] | None = None) -> Seeded:
    """Set the desk up once: kind, policy, reference data, opening balances. Safe to run again.

    Raises StaleDataError when the venues do not answer, PolicyDeniedError when the database is of
    the other kind.
    """
    wanted = DeskKind.LIVE if conf.is_live() else DeskKind.SIMULATED
    row = desk.create(wanted)
    configure()
    if row.kind != wanted:
        raise PolicyDeniedError(
            f"this database is {row.kind} for ever and KIMP_LIVE asks for {wanted}: use another one"
        )
    seeded = Seeded(kind=row.kind)
    counts = refreshing.refresh_markets(registry.utc_now())
    if not counts.markets:
        raise StaleDataError("; ".join(counts.problems) or "the venues told nothing")
    seeded.problems = counts.problems
    if wanted == DeskKind.SIMULATED:
        standing_in.confirm_simulated()
    seeded.policy = first_policy(policy or {}).number
    seeded.balances = open_books()
    desk.look_home()
    return seeded


def configure() -> None:
    """Tell the gateway what kind of database this process works on; every process does this first."""
    registry.configure(database_is_live=desk.current().kind == DeskKind.LIVE)


def first_policy(values: Mapping[str, object]) -> PolicyVersion:
    """Write the starter policy unless there is one."""
    existing = PolicyVersion.objects.order_by("-number").first()
    if existing is not None:
        return existing
    first = PolicyVersion(number=1, created_by="system", reason=STARTER_REASON, **values)
    first.full_clean()
    first.save(force_insert=True)
    return first


def open_books() -> list[str]:
    """Post what a venue holds as the desk's opening capital, once, before anything else is posted there.

    So a venue that the desk takes up later opens as well, and none a second time.
    """
    known = set(Account.objects.values_list("venue", flat=True))
    new = [code for code in registry.desk_venues() if code not in known]
    held = [(code, list(registry.venue(code).balances().values())) for code in new]
    with transaction.atomic():
        return [text for code, rows in held for text in _open_accounts(code, rows)]


def _open_accounts(code: str, balances: Iterable[Balance]) -> Iterator[str]:
    """Post one venue's balances; says what was opened."""
    for balance in balances:
        total = balance.free + balance.locked
        lines = postings.moved(
            code, balance.asset, total, origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
        )
        key = f"capital:opening:{code}:{balance.asset}"
        if booking.post(key, PostingKind.CAPITAL, lines, memo="opening balance"):
            yield f"{total.normalize():f} {balance.asset} at {code}"
