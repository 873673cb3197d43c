"""The words that rows carry: statuses, states and classes, as closed sets."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from exchanges.sentences import Sentence


class CycleKind(TextChoices):
    """What a cycle is meant to do."""

    ROUND_TRIP = "ROUND_TRIP", _("round trip")
    RETURN_ONLY = "RETURN_ONLY", _("return only")


class OpeningRule(TextChoices):
    """Which rule of the policy opened a cycle."""

    LOCKED_EDGE = "LOCKED_EDGE", _("locked edge")
    PREMIUM_BAND = "PREMIUM_BAND", _("premium band")
    BY_HAND = "BY_HAND", _("by hand")


class CycleStatus(TextChoices):
    """Where a cycle stands (domain.md, Statuses)."""

    STARTED = "STARTED", _("started")
    INITIAL_TRADE_COMPLETED = "INITIAL_TRADE_COMPLETED", _("initial trade completed")
    AWAITING_REBALANCE = "AWAITING_REBALANCE", _("awaiting rebalance")
    REBALANCING_IN_PROGRESS = "REBALANCING_IN_PROGRESS", _("rebalancing in progress")
    REBALANCE_TRADE_COMPLETED = "REBALANCE_TRADE_COMPLETED", _("rebalance trade completed")
    RETRY_PENDING = "RETRY_PENDING", _("retry pending")
    DEAD_LETTER = "DEAD_LETTER", _("dead letter")
    COMPLETED = "COMPLETED", _("completed")
    FAILED = "FAILED", _("failed")


class Plan(TextChoices):
    """What a worker does with a cycle when it next takes it."""

    RESUME = "RESUME", _("resume")
    UNWIND = "UNWIND", _("unwind")


class Passage(TextChoices):
    """Which way a step carries money; UNWIND steps sell back where the coins are."""

    OUTBOUND = "OUTBOUND", _("outbound")
    RETURN = "RETURN", _("return")
    UNWIND = "UNWIND", _("unwind")


class StepKind(TextChoices):
    """What a step does."""

    BUY = "BUY", _("buy")
    WITHDRAW = "WITHDRAW", _("withdraw")
    DEPOSIT = "DEPOSIT", _("deposit")
    SELL = "SELL", _("sell")


class StepState(TextChoices):
    """Where a step stands; ABANDONED steps were overtaken by an unwind or an operator."""

    PENDING = "PENDING", _("pending")
    RUNNING = "RUNNING", _("running")
    DONE = "DONE", _("done")
    ABANDONED = "ABANDONED", _("abandoned")


class Operation(TextChoices):
    """A mutating request to a venue."""

    PLACE_ORDER = "PLACE_ORDER", _("place order")
    CANCEL_ORDER = "CANCEL_ORDER", _("cancel order")
    WITHDRAW = "WITHDRAW", _("withdraw")


class CallOutcome(TextChoices):
    """What became of a call. INTENDED after its worker is gone reads as UNKNOWN.

    ABSENT: evidence proved that an unknown call was never accepted.
    """

    INTENDED = "INTENDED", _("intended")
    DONE = "DONE", _("done")
    REFUSED = "REFUSED", _("refused")
    NOT_SENT = "NOT_SENT", _("not sent")
    UNKNOWN = "UNKNOWN", _("unknown")
    ABSENT = "ABSENT", _("absent")


class FailureClass(TextChoices):
    """Why a cycle could not go on; the retry table says which ladder each takes."""

    TRANSIENT = "TRANSIENT", _("transient")
    THROTTLED = "THROTTLED", _("throttled")
    REFUSED_FUNDS = "REFUSED_FUNDS", _("refused: funds")
    REFUSED_RULES = "REFUSED_RULES", _("refused: rules")
    WALLET_CLOSED = "WALLET_CLOSED", _("wallet closed")
    KEY_REJECTED = "KEY_REJECTED", _("key rejected")
    UNKNOWN_ORDER = "UNKNOWN_ORDER", _("unknown order")
    UNKNOWN_WITHDRAWAL = "UNKNOWN_WITHDRAWAL", _("unknown withdrawal")
    TRANSFER_OVERDUE = "TRANSFER_OVERDUE", _("transfer overdue")
    CREDIT_MISMATCH = "CREDIT_MISMATCH", _("credit mismatch")
    TRAVEL_RULE_HOLD = "TRAVEL_RULE_HOLD", _("travel rule hold")
    SLIPPAGE_LIMIT = "SLIPPAGE_LIMIT", _("slippage limit")
    POLICY_DENIED = "POLICY_DENIED", _("policy denied")
    BUG = "BUG", _("bug")


class AccountOwner(TextChoices):
    """Whose an account is. The first five hold assets, the rest explain where they went."""

    DESK = "DESK", _("desk")
    CYCLE = "CYCLE", _("cycle")
    IN_FLIGHT = "IN_FLIGHT", _("in flight")
    SUSPENSE = "SUSPENSE", _("suspense")
    DUST = "DUST", _("dust")
    CONVERSION = "CONVERSION", _("conversion")
    TRADING_FEES = "TRADING_FEES", _("trading fees")
    NETWORK_FEES = "NETWORK_FEES", _("network fees")
    CAPITAL = "CAPITAL", _("capital")
    WRITTEN_OFF = "WRITTEN_OFF", _("written off")


class PostingKind(TextChoices):
    """What a posting records."""

    CAPITAL = "CAPITAL", _("capital")
    OPEN = "OPEN", _("open")
    FILL = "FILL", _("fill")
    SENT = "SENT", _("sent")
    RETURNED = "RETURNED", _("returned")
    CREDITED = "CREDITED", _("credited")
    DUST = "DUST", _("dust")
    CLOSE = "CLOSE", _("close")
    RESOLVED = "RESOLVED", _("resolved")
    WRITE_OFF = "WRITE_OFF", _("write off")


class Mode(TextChoices):
    """What the desk may do."""

    RUN = "RUN", _("run")
    FINALIZE_ONLY = "FINALIZE_ONLY", _("finalize only")
    HALT = "HALT", _("halt")


class DeskKind(TextChoices):
    """What a database is, for ever."""

    SIMULATED = "SIMULATED", _("simulated")
    LIVE = "LIVE", _("live")


class PauseScope(TextChoices):
    """What a pause stops."""

    VENUE = "VENUE", _("venue")
    ASSET = "ASSET", _("asset")
    ROUTE = "ROUTE", _("route")


class Sizing(TextChoices):
    """How the policy sizes a new cycle."""

    FIXED_AMOUNT = "FIXED_AMOUNT", _("fixed amount")
    PERCENTAGE = "PERCENTAGE", _("percentage")
    FULL_CAPITAL = "FULL_CAPITAL", _("full capital")


class Verb(TextChoices):
    """What an operator may do, one permission each."""

    REDRIVE = "redrive", _("redrive")
    UNWIND = "unwind", _("unwind")
    RESOLVE = "resolve", _("resolve")
    WRITE_OFF = "write_off", _("write off")
    ACKNOWLEDGE = "acknowledge", _("acknowledge")
    OPEN = "open", _("open")
    HALT = "halt", _("halt")
    RESUME = "resume", _("resume")
    PAUSE = "pause", _("pause")
    UNPAUSE = "unpause", _("unpause")
    SET_POLICY = "set_policy", _("set policy")
    CONFIRM_ADDRESS = "confirm_address", _("confirm address")
    RETIRE_ADDRESS = "retire_address", _("retire address")
    PROVE_ASSET = "prove_asset", _("prove asset")
    BLOCK_ASSET = "block_asset", _("block asset")
    CATCH_UP = "catch_up", _("catch up")


class Channel(TextChoices):
    """The door an intervention came through."""

    ADMIN = "admin", _("admin")
    API = "api", _("API")
    COMMAND = "command", _("command")
    SYSTEM = "system", _("system")


class Role(TextChoices):
    """A process of the desk."""

    WEB = "web", _("web")
    FEEDER = "feeder", _("feeder")
    INITIATOR = "initiator", _("initiator")
    FINALIZER = "finalizer", _("finalizer")
    WORKER = "worker", _("worker")


class WatchKind(TextChoices):
    """What a venue is watched for; STREAM: whose private stream is listened to, and by whom."""

    WITHDRAWALS = "WITHDRAWALS", _("withdrawals")
    DEPOSITS = "DEPOSITS", _("deposits")
    ORDERS = "ORDERS", _("orders")
    STREAM = "STREAM", _("stream")


def word(choice: Verb | CycleStatus | PauseScope | Mode) -> Sentence:
    """Give a choice's word for a sentence: English in logs, whatever language the page at hand is in."""
    return Sentence(choice.value.lower().replace("_", " "))
