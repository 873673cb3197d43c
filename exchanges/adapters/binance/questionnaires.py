"""What a local entity of Binance asks about a transfer, answered for accounts of our own only. Pure.

Source: the wallet API's pages on travel rule, withdraw and deposit questionnaire. Every withdrawal of the
desk goes to our own account at another venue, and every deposit comes from one; where an entity asks for
more than that (names, cities, purposes), a person answers it in Binance's pages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

NIL = "NIL"  # no questionnaire: an account of no local entity that asks for one

OURSELVES, A_VENUE = 1, 2
# What withdrawals of these entities are asked besides: nothing, or a declaration that it is all true.
# Korea (KR) is not in the published list; it is tried in the plain form.
PLAIN = frozenset({"AE", "BH", "IN", "KR"})
DECLARED = frozenset({"FR", "NZ", "PL", "ZA"})
DEPOSITS = (PLAIN | DECLARED) - {"NZ"}  # New Zealand asks about withdrawals only


@dataclass(frozen=True, slots=True, kw_only=True)
class Vasp:
    """A venue as Binance lists it: its code, or `others` with its name."""

    code: str
    name: str = ""


def withdrawal(country: str, vasp: Vasp) -> str | None:
    """Answer for a withdrawal to our own account at a venue; None where more is asked than that."""
    if country not in PLAIN | DECLARED:
        return None
    return _answers({"isAddressOwner": OURSELVES, "sendTo": A_VENUE}, country, vasp)


def deposit(country: str, vasp: Vasp) -> str | None:
    """Answer for a deposit from our own account at a venue; None where more is asked than that."""
    if country not in DEPOSITS:
        return None
    return _answers({"depositOriginator": OURSELVES, "receiveFrom": A_VENUE}, country, vasp)


def _answers(given: dict[str, object], country: str, vasp: Vasp) -> str:
    """Add who the venue is, and the declaration where one is asked."""
    answers = given | {"vasp": vasp.code}
    if vasp.name:
        answers["vaspName"] = vasp.name
    if country in DECLARED:
        answers["declaration"] = True
    return json.dumps(answers, separators=(",", ":"))
