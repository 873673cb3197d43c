"""What to look at and what to do, per failure class; shown beside the verbs, versioned with the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _, gettext_noop

from cycles.domain.words import FailureClass as F, Verb
from cycles.models import Cycle
from cycles.services.resolving import is_stated_absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Advice for one failure class: what it means, what to check first, which verb usually follows."""

    meaning: Any
    check: Any
    usual: tuple[Verb, ...]


RUNBOOK: dict[F, Hint] = {
    F.TRANSIENT: Hint(
        meaning=_("The venue or the network failed for a while; nothing was refused."),
        check=_("Is the venue back? Look at its status page and at the newest calls."),
        usual=(Verb.REDRIVE,),
    ),
    F.THROTTLED: Hint(
        meaning=_(
            "The venue asked us to slow down; cycles wait for that now, older ones died of it."
        ),
        check=_("Does anything else use these keys? Wait until the venue's ban is over."),
        usual=(Verb.REDRIVE,),
    ),
    F.REFUSED_FUNDS: Hint(
        meaning=_("The venue says that the balance does not suffice."),
        check=_(
            "Compare the venue's balance with the ledger (verify_ledger): money was locked or moved by hand."
        ),
        usual=(Verb.REDRIVE, Verb.UNWIND),
    ),
    F.REFUSED_RULES: Hint(
        meaning=_("The order or withdrawal breaks a rule of the venue: minimum, step or limit."),
        check=_("Refresh the market rules; is what the cycle holds above the venue's minimum?"),
        usual=(Verb.REDRIVE, Verb.UNWIND),
    ),
    F.WALLET_CLOSED: Hint(
        meaning=_("The venue has closed deposits or withdrawals on this network."),
        check=_("Read the venue's notice; pause the route until the wallet is open again."),
        usual=(Verb.REDRIVE, Verb.UNWIND),
    ),
    F.KEY_REJECTED: Hint(
        meaning=_("The venue does not accept our key: expired, wrong rights, or another address."),
        check=_("Check the key's rights, expiry and allowed addresses; halt if in doubt."),
        usual=(Verb.REDRIVE,),
    ),
    F.UNKNOWN_ORDER: Hint(
        meaning=_("An order may or may not have been accepted, and looking it up proved nothing."),
        check=_(
            "Search the venue's order history for the client order id. Never place it again by hand."
        ),
        usual=(Verb.RESOLVE, Verb.REDRIVE),
    ),
    F.UNKNOWN_WITHDRAWAL: Hint(
        meaning=_("A withdrawal may or may not have left; sending it again could pay twice."),
        check=_(
            "Look at the venue's withdrawals and at the chain for the quantity; ask the venue's support."
        ),
        usual=(Verb.RESOLVE,),
    ),
    F.TRANSFER_OVERDUE: Hint(
        meaning=_("Coins left one venue and were not credited at the other in time."),
        check=_("Follow the txid in an explorer, then ask the receiving venue's support."),
        usual=(Verb.REDRIVE, Verb.RESOLVE),
    ),
    F.CREDIT_MISMATCH: Hint(
        meaning=_("What was credited is not what was sent; the difference stands in suspense."),
        check=_("Compare both venues' records with the txid; was there a second deposit or a fee?"),
        usual=(Verb.RESOLVE, Verb.REDRIVE),
    ),
    F.TRAVEL_RULE_HOLD: Hint(
        meaning=_(
            "The receiving venue holds the deposit: the desk has told it whose account it came from, "
            "and was not believed, or may not say it."
        ),
        check=_(
            "Confirm the deposit in the venue's own pages (same name at both venues?), then let the "
            "cycle go on; the desk asks again after ten minutes."
        ),
        usual=(Verb.REDRIVE,),
    ),
    F.SLIPPAGE_LIMIT: Hint(
        meaning=_("The book is too thin for the policy's slippage limit."),
        check=_("Look at the book's depth; wait, or accept the loss of selling back."),
        usual=(Verb.REDRIVE, Verb.UNWIND),
    ),
    F.POLICY_DENIED: Hint(
        meaning=_(
            "The policy, a pause, the address book or the registry of assets forbids the next step."
        ),
        check=_(
            "Which rule? Has the destination been confirmed by two people, is the asset proven at both "
            "ends, the route allowed?"
        ),
        usual=(Verb.REDRIVE, Verb.UNWIND),
    ),
    F.BUG: Hint(
        meaning=_("The program met something that it was not written for."),
        check=_(
            "Find the request id in the logs and report it; do not redrive before it is understood."
        ),
        usual=(Verb.RESOLVE, Verb.UNWIND),
    ),
}


# What is left to do once a person has stated that the unknown request never was.
STATED_ABSENT = Hint(
    meaning=_("An operator has stated that the open request was never accepted."),
    check=_(
        "Read the evidence in the timeline. Redrive sends the request anew; "
        "unwind sells back where the coins are."
    ),
    usual=(Verb.REDRIVE, Verb.UNWIND),
)
UNKNOWN = (F.UNKNOWN_ORDER, F.UNKNOWN_WITHDRAWAL)


def hint(cycle: Cycle) -> Hint | None:
    """Give the advice for what a cycle failed of, as it stands now; None without a failure."""
    if not cycle.failure_class:
        return None
    failure = F(cycle.failure_class)
    return STATED_ABSENT if failure in UNKNOWN and is_stated_absent(cycle) else RUNBOOK[failure]


# The planner's own sentences, named here so that the catalogue knows them (domain has no Django).
OBJECTIONS = (
    gettext_noop("it owns nothing"),
    gettext_noop("there is no status to resume"),
    gettext_noop("a request has an unknown outcome: reconcile or resolve it first"),
    gettext_noop("an accepted request is not in the ledger yet: redrive it first"),
    gettext_noop("something stands in suspense: resolve it first"),
    gettext_noop("money is in flight: wait for its credit"),
    gettext_noop("there are no coins to sell back"),
    gettext_noop("nothing is under way"),
    gettext_noop("money is in flight or in suspense"),
)
