"""An account of one of Binance's local entities: transfers with a questionnaire, by endpoints of their own.

Whether the account is one is asked of Binance, and again from time to time; where it cannot be asked,
nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from exchanges.adapters.binance import build, local_payloads, questionnaires, transfers
from exchanges.adapters.binance.dialect import VENUE
from exchanges.adapters.binance.questionnaires import NIL, Vasp
from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.transport.calls import VenueTransport
from exchanges.transport.paging import Page, whole
from exchanges.transport.wire import Reply, Request
from exchanges.values import (
    DepositReport,
    DepositStatus,
    Listed,
    WithdrawalReport,
    WithdrawalRequest,
)

T = TypeVar("T")
ASKED_AGAIN = timedelta(minutes=10)
TRAILING = timedelta(
    seconds=30
)  # a withdrawal may stand in one history before it does in the other
ROOT = "/sapi/v1/localentity"


class LocalEntity:
    """What the account's entity asks, and the calls that answer it. One instance belongs to one thread."""

    def __init__(self, transport: VenueTransport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock
        self._country = ""
        self._asked_at: datetime | None = None

    def requirement(self) -> str:
        """Give the country whose questionnaire the account answers; NIL for none."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > ASKED_AGAIN:
            request = build.read("questionnaire", f"{ROOT}/questionnaire-requirements")
            self._country = self._transport.call(
                request, lambda reply: local_payloads.requirement(reply.body)
            )
            self._asked_at = now
        return self._country

    @property
    def asks(self) -> bool:
        """Say whether the account's entity asks a questionnaire."""
        return self.requirement() != NIL

    def asks_before_sending(self) -> bool:
        """Say the same before a withdrawal: a read that is lost has sent nothing (NotSentError)."""
        return self._before_sending(self.requirement) != NIL

    def withdraw(self, request: WithdrawalRequest) -> WithdrawalReport:
        """Send one withdrawal with its questionnaire, once."""
        vasp = self._before_sending(lambda: self._vasp(request.destination.venue))
        answers = questionnaires.withdrawal(self._country, vasp)
        if answers is None:
            raise self._unanswered("withdraw")
        record = self._accepted(build.withdraw_local(request, answers))
        return local_payloads.applied(record, request, now=self._clock())

    def withdrawals(self, asset: str, since: datetime) -> list[WithdrawalReport]:
        """List withdrawals; those from before the account was of its entity are in the general history.

        A new one that only the general history shows may have a record, and another id, in a moment.
        """
        own = build.history("withdrawals", f"{ROOT}/withdraw/history", asset, since)
        rows, known_as = self._transport.call(
            own, lambda reply: local_payloads.withdrawals(reply.body)
        )
        general = build.history("withdrawals", "/sapi/v1/capital/withdraw/history", asset, since)
        others = self._transport.call(general, lambda reply: transfers.withdrawals(reply.body))
        return transfers.newest_first([*rows, *self._recordless(others, known_as)])

    def with_own(self, general: Listed[WithdrawalReport]) -> Listed[WithdrawalReport]:
        """List the whole account's withdrawals as `withdrawals` does, given the general history."""
        path, known_as = f"{ROOT}/withdraw/history", set[str]()

        def page(number: int) -> Page[WithdrawalReport]:
            offset = (number - 1) * build.PAGE
            request = build.history("withdrawals", path, None, general.since, offset=offset)
            found, ids = self._transport.call(
                request, lambda reply: local_payloads.withdrawal_page(reply.body)
            )
            known_as.update(ids)
            return found

        own = whole(page, since=general.since, page_rows=build.PAGE)
        rows = [*own.rows, *self._recordless(general.rows, known_as)]
        return Listed(
            rows=tuple(transfers.newest_first(rows)),
            since=max(own.since, general.since),
            unreadable=own.unreadable | general.unreadable,
            calls=own.calls + general.calls,
        )

    def _recordless(
        self, general: Iterable[WithdrawalReport], known_as: Collection[str]
    ) -> list[WithdrawalReport]:
        """Give those of the general history that have no record, and get none any more."""
        settled = self._clock() - TRAILING
        return [
            row
            for row in general
            if row.venue_withdrawal_id not in known_as
            and (row.created_at is None or row.created_at < settled)
        ]

    def all_marked(self, listed: Listed[DepositReport]) -> Listed[DepositReport]:
        """Mark those of the whole account's deposits that wait for a questionnaire."""
        rows = self.marked(listed.rows, None, listed.since)
        calls = listed.calls + (rows is not listed.rows)
        return replace(listed, rows=tuple(rows), calls=calls)

    def marked(
        self, rows: Sequence[DepositReport], asset: str | None, since: datetime
    ) -> Sequence[DepositReport]:
        """Mark the deposits that wait for a questionnaire; asked only where one may."""
        if not any(row.detail == transfers.WAITS for row in rows):
            return rows
        waiting = self._waiting(asset, since)
        return [
            replace(row, status=DepositStatus.HELD, wants_sender=True)
            if row.detail == transfers.WAITS and row.txid in waiting
            else row
            for row in rows
        ]

    def verify_deposit(self, deposit: DepositReport, sender: str) -> DepositReport:
        """Answer a held deposit's questionnaire, once."""
        since = deposit.created_at or self._clock() - timedelta(days=7)
        country, vasp = self._before_sending(lambda: (self.requirement(), self._vasp(sender)))
        waiting = self._before_sending(lambda: self._waiting(deposit.asset, since))
        answers = questionnaires.deposit(country, vasp)
        record = waiting.get(deposit.txid or "")
        if answers is None or record is None:
            raise self._unanswered("verify_deposit")
        self._accepted(build.provide_info(record, answers))
        return replace(
            deposit,
            status=DepositStatus.PENDING,
            detail="questionnaire answered",
            wants_sender=False,
        )

    def _waiting(self, asset: str | None, since: datetime) -> dict[str, str]:
        request = build.history("held_deposits", f"{ROOT}/deposit/history", asset, since)
        return self._transport.call(
            request, lambda reply: local_payloads.waiting_deposits(reply.body)
        )

    def _vasp(self, venue: str) -> Vasp:
        return self._transport.call(
            build.read("vasps", f"{ROOT}/vasp"),
            lambda reply: local_payloads.vasp(reply.body, venue),
        )

    def _accepted(self, request: Request) -> str:
        """Send a questionnaire and give its record; one that is not accepted is a definite refusal."""

        def parse(reply: Reply) -> tuple[str, str | None]:
            return local_payloads.accepted(reply.body)

        record, why_not = self._transport.call(request, parse)
        if why_not is not None:
            raise RefusedError(
                f"{VENUE} {request.operation}: the questionnaire was not accepted",
                venue=VENUE,
                operation=request.operation,
                reason=RefusalReason.TRAVEL_RULE,
                code="questionnaire",
            )
        return record

    def _unanswered(self, operation: str) -> RefusedError:
        """Give the error for a questionnaire that asks more than we know: a person answers it."""
        return RefusedError(
            f"{VENUE} {operation}: the questionnaire of {self._country} is answered in its own pages",
            venue=VENUE,
            operation=operation,
            reason=RefusalReason.TRAVEL_RULE,
            code="questionnaire",
        )

    def _before_sending(self, read: Callable[[], T]) -> T:
        """Read what a request needs; when that is lost nothing has been sent."""
        try:
            return read()
        except OutcomeUnknownError as error:
            told = f"{error}: nothing was sent"
            raise NotSentError(told, venue=VENUE, operation=error.operation) from None
