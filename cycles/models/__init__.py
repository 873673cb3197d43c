"""Rows: the aggregate is the Django row, the unit of work is `transaction.atomic`."""

from __future__ import annotations

from cycles.models.alert import Alert
from cycles.models.cycle import Cycle
from cycles.models.intervention import ApiToken, Heartbeat, IdempotencyRecord, Intervention
from cycles.models.journal import ExchangeCall, Fill, Retry, Transition
from cycles.models.ledger import Account, Entry, Posting
from cycles.models.ledger_mark import LedgerMark, LedgerSum
from cycles.models.policy import Desk, Pause, PolicyVersion
from cycles.models.roll_up import EndedTotal, PremiumHour, PremiumMinute, RollUpMark
from cycles.models.sample import PremiumSample
from cycles.models.seen import SeenDeposit, SeenOrder, SeenWithdrawal, VenueWatch
from cycles.models.step import Step
from cycles.models.sweep import SweepMark
from cycles.models.vouching import AddressConfirmation, DepositVerification

__all__ = [
    "Account",
    "AddressConfirmation",
    "Alert",
    "ApiToken",
    "Cycle",
    "DepositVerification",
    "Desk",
    "EndedTotal",
    "Entry",
    "ExchangeCall",
    "Fill",
    "Heartbeat",
    "IdempotencyRecord",
    "Intervention",
    "LedgerMark",
    "LedgerSum",
    "Pause",
    "PolicyVersion",
    "Posting",
    "PremiumHour",
    "PremiumMinute",
    "PremiumSample",
    "Retry",
    "RollUpMark",
    "SeenDeposit",
    "SeenOrder",
    "SeenWithdrawal",
    "Step",
    "SweepMark",
    "Transition",
    "VenueWatch",
]
