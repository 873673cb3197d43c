"""The rehearsal: what goes wrong at the simulated venues of `manage.py up` unless another scenario is named.

Some replies are lost, some orders refused; a few cycles die, each in another way, so that there is
something to resolve. Cycles are told apart by their client order ids: k, the cycle, step, attempt.
"""

from __future__ import annotations

from collections.abc import Mapping

from exchanges.simulator.core.scenarios.scenario import RuleSpec, Scenario
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT

ORDER_AT = {BINANCE: r"/api/v3/order$", UPBIT: r"/v1/orders$", BITHUMB: r"/v2/orders$"}
MARKET_OFFLINE = {"error": {"name": "market_offline", "message": "a rehearsal"}}
WALLET_CLOSED = {"code": -4019, "msg": "Current coin is not open for withdrawal."}
_OFTEN = {"prob": "0.05"}


def _cycles(letters: str, step: str) -> Mapping[str, object]:
    """Choose cycles by the last digit of their client order ids' cycle part, and one step."""
    return {"client_id_regex": f"^k.{{25}}[{letters}]{step}"}


def _refused(
    venue: str, path: str, reply: object, when: Mapping[str, object], times: int
) -> RuleSpec:
    return {
        "venue": venue,
        "method": "POST",
        "path_regex": path,
        "action": "status",
        "args": {"status": 400, "json": reply},
        "when": when,
        "times": times,
    }


def _in_korea(venue: str) -> tuple[RuleSpec, ...]:
    path = ORDER_AT[venue]
    return (
        {"fault": "F4", "venue": venue, "method": "POST", "path_regex": path, "when": _OFTEN},
        # Refused now and then: retried.
        _refused(venue, path, MARKET_OFFLINE, _OFTEN, 0),
        # Dies on its way home with KRW in hand: waits for an operator, who redrives it.
        _refused(venue, path, MARKET_OFFLINE, _cycles("ae", "05"), 4),
    )


REHEARSAL = Scenario(
    name="rehearsal",
    about="some replies are lost, some orders refused; a few cycles die, each in another way, for operators "
    "to resolve",
    rules=(
        # Accepted, and the reply lost: looked up and adopted, never sent again.
        {
            "fault": "F7",
            "venue": BINANCE,
            "method": "POST",
            "path_regex": ORDER_AT[BINANCE],
            "when": _OFTEN,
        },
        *(rule for venue in (UPBIT, BITHUMB) for rule in _in_korea(venue)),
        # Cannot leave Binance: dies, and is sold back by the desk itself.
        _refused(BINANCE, r"/withdraw/apply", WALLET_CLOSED, _cycles("im", "02"), 11),
        # A withdrawal that never arrived there, nobody can tell: an operator states it, with evidence.
        {"fault": "F25", "venue": BINANCE, "action": "rst", "when": _cycles("q", "02"), "times": 1},
    ),
)
