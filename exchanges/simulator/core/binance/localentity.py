"""Binance's local-entity routes: transfers with a questionnaire, when the account's entity asks one."""

from __future__ import annotations

import json

from exchanges.simulator.core import arrivals, chain, wallet
from exchanges.simulator.core.binance import wallet as capital
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.binance.render import DEPOSIT_STATES, deposit_view, withdrawal_view
from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.values import BINANCE, Reply, json_reply
from exchanges.simulator.core.world import World

NIL = "NIL"
PROCESSED, PROCESSING = 0, 1
WITHDRAW_PARAMS = (*capital.WITHDRAW_PARAMS, "questionnaire")
_TRANSFERS_BY = "coin network txId trId travelRuleStatus offset"
WITHDRAWALS_BY = f"{_TRANSFERS_BY} withdrawOrderId"
DEPOSITS_BY = f"{_TRANSFERS_BY} tranId pendingQuestionnaire"
_VASPS = (
    ("Binance", "BINANCE"),
    ("Upbit", "UPBIT_jX2kqPz"),
    ("Bithumb", "BITHUMB_w7Rm1Ld"),
)


def requirements(world: World, params: Params) -> Reply:
    """Return the travel-rule jurisdiction that applies."""
    del params
    return json_reply({"questionnaireCountryCode": world.settings.binance_travel_rule})


def vasps(world: World, params: Params) -> Reply:
    """List the venues a questionnaire can name."""
    del world, params
    return json_reply([{"vaspName": name, "vaspCode": code} for name, code in _VASPS])


def withdraw(world: World, params: Params) -> Reply:
    """Accept a withdrawal whose questionnaire is answered; answer `accepted: false` to others."""
    _demand_entity(world)
    answers = _answers(params)
    if not _is_answered(answers, "isAddressOwner", "sendTo"):
        return _record(world.next_number(), "Questionnaire format not valid.", accepted=False)
    row = capital.checked_withdrawal(world, params)
    row.travel_rule_id = world.next_number()
    wallet.accept(world, row)
    return _record(row.travel_rule_id, "Withdraw request accepted", accepted=True)


def _demand_entity(world: World) -> None:
    if world.settings.binance_travel_rule == NIL:
        raise refuse(-4104, text="This account does not need the localentity endpoints.")


def _answers(params: Params) -> dict[str, object]:
    try:
        given = json.loads(params.need("questionnaire"))
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _is_answered(answers: dict[str, object], owner: str, counterpart: str) -> bool:
    """Say whether it is a transfer between own accounts with a venue that is named."""
    vasp = answers.get("vasp")
    is_named = bool(vasp) and (vasp != "others" or bool(answers.get("vaspName")))
    return answers.get(owner) == 1 and answers.get(counterpart) == 2 and is_named


def _record(number: int, info: str, *, accepted: bool) -> Reply:
    return json_reply({"trId": number, "accepted": accepted, "info": info})


def withdrawals(world: World, params: Params) -> Reply:
    """Return the withdrawals that went through a questionnaire, newest first."""
    asked = params.get("trId")
    records = set(asked.split(",")) if asked else None
    rows = [
        row
        for row in capital.shown_withdrawals(world, params)
        if row.travel_rule_id is not None
        and (records is None or str(row.travel_rule_id) in records)
    ]
    return json_reply(capital.page([_withdrawal(row) for row in rows], params))


def _withdrawal(row: Withdrawal) -> dict[str, object]:
    view = withdrawal_view(row)
    status = view.pop("status")
    is_waiting = row.state == chain.WAITING
    return view | {
        "trId": row.travel_rule_id,
        "withdrawalStatus": status,
        "travelRuleStatus": PROCESSING if is_waiting else PROCESSED,
        "questionnaire": "{}",
    }


def deposits(world: World, params: Params) -> Reply:
    """Return deposits with what the travel rule has to say of them, newest first."""
    rows = [
        row
        for row in capital.shown_deposits(world, params)
        if params.get("pendingQuestionnaire") != "true" or row.state == chain.HELD
    ]
    return json_reply(capital.page([_deposit(world, row) for row in rows], params))


def _deposit(world: World, row: Deposit) -> dict[str, object]:
    view = deposit_view(row, capital.unlock_confirmations(world, row))
    is_held = row.state == chain.HELD
    return view | {
        "trId": int(row.venue_deposit_id) + 1,
        "tranId": int(row.venue_deposit_id),
        "depositStatus": DEPOSIT_STATES[row.state],
        "travelRuleStatus": PROCESSING if is_held else PROCESSED,
        "requireQuestionnaire": is_held,
        "questionnaire": None,
    }


def provide_info(world: World, params: Params) -> Reply:
    """Release a held deposit whose questionnaire is answered."""
    _demand_entity(world)
    number = params.need("tranId")
    row = world.wallet.deposits.get(number)
    if row is None or row.venue != BINANCE:
        raise refuse(-4105, text="Deposit not found.")
    record = int(row.venue_deposit_id) + 1
    if row.state != chain.HELD:
        return _record(record, "No questionnaire is pending.", accepted=False)
    if not _is_answered(_answers(params), "depositOriginator", "receiveFrom"):
        return _record(record, "Questionnaire format not valid.", accepted=False)
    if world.wallet.transactions[row.txid].arrival == arrivals.ASKED_ABOUT:
        wallet.release(world, row)
    return _record(record, "Deposit questionnaire accepted.", accepted=True)
