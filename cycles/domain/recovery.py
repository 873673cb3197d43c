"""The recovery planner: where the money is, and what can be done about it, each with its price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cycles.domain.postings import Holding
from cycles.domain.words import AccountOwner, CycleStatus, FailureClass

# What selling back at market is assumed to cost beyond the bid: fee and slippage, in bps.
UNWIND_COST_BPS = Decimal(40)
SETTLED_ASSETS = frozenset({"USDT", "KRW"})
# What is worth less is dust: above any venue's minimum, so that what must be sold never counts as it.
DUST_KRW = Decimal(20_000)
# While it is said that an outcome is unknown, a person decides what the coins do.
A_PERSONS = frozenset({FailureClass.UNKNOWN_ORDER, FailureClass.UNKNOWN_WITHDRAWAL})


class OptionKind(StrEnum):
    """What can be done with a cycle that stopped."""

    RESUME = "RESUME"
    UNWIND = "UNWIND"
    WAIT = "WAIT"
    RESOLVE = "RESOLVE"
    RETURN_TO_DESK = "RETURN_TO_DESK"
    WRITE_OFF = "WRITE_OFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way on. `expected_krw` is what the desk would have after it; None: not known."""

    kind: OptionKind
    is_possible: bool
    why_not: str = ""
    expected_krw: Decimal | None = None
    loss_krw: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What journal and ledger say of a cycle; `krw_of` values a holding where it lies."""

    status: CycleStatus
    resume_status: str
    holdings: tuple[Holding, ...]
    has_open_call: bool
    has_unsettled_call: bool = False
    krw_of: Callable[[Holding], Decimal | None]

    @property
    def coins(self) -> tuple[Holding, ...]:
        """Give the holdings at venues whose price moves."""
        return tuple(
            h
            for h in self.holdings
            if h.asset not in SETTLED_ASSETS
            and h.owner is AccountOwner.CYCLE
            and not is_dust(self.krw_of(h))
        )

    @property
    def in_flight(self) -> tuple[Holding, ...]:
        """Give what is between venues."""
        return tuple(h for h in self.holdings if h.owner is AccountOwner.IN_FLIGHT)

    @property
    def suspense(self) -> tuple[Holding, ...]:
        """Give what is unexplained."""
        return tuple(h for h in self.holdings if h.owner is AccountOwner.SUSPENSE)

    @property
    def worth_krw(self) -> Decimal | None:
        """Value everything; None when something has no price."""
        values = [self.krw_of(holding) for holding in self.holdings]
        if any(value is None for value in values):
            return None
        return sum((value for value in values if value is not None), Decimal(0))


def is_dust(worth_krw: Decimal | None) -> bool:
    """Say whether coins are too small to trade; without a price they are not taken for it."""
    return worth_krw is not None and worth_krw < DUST_KRW


def options(situation: Situation) -> tuple[Option, ...]:
    """List every option with whether it is possible, and what it is expected to leave in KRW."""
    worth = situation.worth_krw
    return (
        _option(OptionKind.RESUME, _against_resume(situation), worth, Decimal(0)),
        _option(OptionKind.UNWIND, _against_unwind(situation), worth, _unwind_cost(situation)),
        _option(OptionKind.WAIT, _against_wait(situation), worth, Decimal(0)),
        _option(OptionKind.RESOLVE, "", None, None),
        _option(OptionKind.RETURN_TO_DESK, _against_return(situation), worth, Decimal(0)),
        _option(
            OptionKind.WRITE_OFF, "" if situation.holdings else "it owns nothing", worth, worth
        ),
    )


def cheapest_safe(
    choices: Sequence[Option], limit_krw: Decimal, *, failure_class: str
) -> Option | None:
    """Give the option to try without a person: selling back where the coins are, inside the limit.

    RESUME has just been tried until it died; RETURN_TO_DESK and the rest can wait for a person,
    since nothing of theirs moves in price. None where it failed of what a person has to decide.
    """
    if failure_class in A_PERSONS:
        return None
    safe = [
        choice
        for choice in choices
        if choice.kind is OptionKind.UNWIND
        and choice.is_possible
        and choice.loss_krw is not None
        and choice.loss_krw <= limit_krw
    ]
    return min(safe, key=lambda choice: choice.loss_krw or Decimal(0), default=None)


def _option(
    kind: OptionKind, objection: str, worth: Decimal | None, loss: Decimal | None
) -> Option:
    """Make one option."""
    expected = worth - loss if worth is not None and loss is not None else worth
    return Option(
        kind=kind,
        is_possible=not objection,
        why_not=objection,
        expected_krw=expected,
        loss_krw=loss,
    )


def _unwind_cost(situation: Situation) -> Decimal | None:
    """Estimate what selling the coins back costs, in KRW; None without a price."""
    values = [situation.krw_of(holding) for holding in situation.coins]
    if any(value is None for value in values):
        return None
    total = sum((value for value in values if value is not None), Decimal(0))
    return (total * UNWIND_COST_BPS / 10_000).quantize(Decimal(1))


def _against_resume(situation: Situation) -> str:
    """Say what speaks against resuming, or nothing."""
    return "" if situation.resume_status else "there is no status to resume"


def _against_unwind(situation: Situation) -> str:
    """Say what speaks against selling back, or nothing."""
    objection = _against_touching(situation)
    if objection:
        return objection
    if situation.suspense:
        return "something stands in suspense: resolve it first"
    if situation.in_flight:
        return "money is in flight: wait for its credit"
    return "" if situation.coins else "there are no coins to sell back"


def _against_touching(situation: Situation) -> str:
    """Say why the ledger does not tell yet where the money is, or nothing."""
    if situation.has_open_call:
        return "a request has an unknown outcome: reconcile or resolve it first"
    if situation.has_unsettled_call:
        return "an accepted request is not in the ledger yet: redrive it first"
    return ""


def _against_wait(situation: Situation) -> str:
    """Say what speaks against waiting, or nothing."""
    return "" if situation.in_flight or situation.has_open_call else "nothing is under way"


def _against_return(situation: Situation) -> str:
    """Say what speaks against handing everything over as it is, or nothing."""
    objection = _against_touching(situation)
    if objection:
        return objection
    if situation.in_flight or situation.suspense:
        return "money is in flight or in suspense"
    return "" if situation.holdings else "it owns nothing"
