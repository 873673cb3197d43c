"""Trouble on purpose: what goes wrong at the simulated venues of `manage.py up`.

Some replies are lost, some orders refused; a few cycles die, each in another way, so that there is
something to resolve. `--calm` leaves all of it out.
"""

from __future__ import annotations

from typing import Any

from kimp import control

ORDER_AT = {"binance": r"/api/v3/order$", "upbit": r"/v1/orders$", "bithumb": r"/v2/orders$"}
KOREA = ("upbit", "bithumb")
MARKET_OFFLINE = {"error": {"name": "market_offline", "message": "a rehearsal"}}
WALLET_CLOSED = {"code": -4019, "msg": "Current coin is not open for withdrawal."}


def _cycles(letters: str, step: str) -> dict[str, str]:
    """Choose cycles by the last digit of their client order ids' cycle part, and one step."""
    return {"client_id_regex": f"^k.{{25}}[{letters}]{step}"}


def _refused(venue: str, path: str, reply: object, when: object, times: int) -> dict[str, Any]:
    return {
        "venue": venue,
        "method": "POST",
        "path_regex": path,
        "action": "status",
        "args": {"status": 400, "json": reply},
        "when": when,
        "times": times,
    }


def _in_korea(venue: str) -> tuple[dict[str, Any], ...]:
    return (
        {"fault": "F4", "venue": venue, "method": "POST", "path_regex": ORDER_AT[venue],
         "when": {"prob": "0.05"}},
        # Refused now and then: retried.
        _refused(venue, ORDER_AT[venue], MARKET_OFFLINE, {"prob": "0.05"}, 0),
        # Dies on its way home with KRW in hand: waits for an operator, who redrives it.
        _refused(venue, ORDER_AT[venue], MARKET_OFFLINE, _cycles("ae", "05"), 4),
    )  # fmt: skip


RULES: tuple[dict[str, Any], ...] = (
    # Accepted, and the reply lost: looked up and adopted, never sent again.
    {"fault": "F7", "venue": "binance", "method": "POST", "path_regex": ORDER_AT["binance"],
     "when": {"prob": "0.05"}},
    *(rule for venue in KOREA for rule in _in_korea(venue)),
    # Cannot leave Binance: dies, and is sold back by the desk itself.
    _refused("binance", r"/withdraw/apply", WALLET_CLOSED, _cycles("im", "02"), 11),
    # A withdrawal that never arrived there, nobody can tell: an operator states it, with evidence.
    {"fault": "F25", "venue": "binance", "action": "rst", "when": _cycles("q", "02"), "times": 1},
)  # fmt: skip


def spoil(control_url: str) -> int:
    """Put the rules in force at the simulator, in place of those before; returns how many."""
    control.ask(f"{control_url}/control/faults", method="DELETE")
    for rule in RULES:
        control.ask(f"{control_url}/control/faults", rule)
    return len(RULES)
