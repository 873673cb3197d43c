"""What the business can answer besides yes: each error has a code for machines and a status for HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

from exchanges.sentences import Sentence


class CycleError(Exception):
    """The request was understood and denied; the message says what to do.

    `told` is English, and the pattern of its translation: what varies stands in it as `%(name)s`.
    """

    code: ClassVar[str] = "denied"
    http_status: ClassVar[int] = 409
    exit_code: ClassVar[int] = 3

    def __init__(self, told: str = "", /, **parts: object) -> None:
        super().__init__(told if isinstance(told, Sentence) else Sentence(told, **parts))


class StaleVersionError(CycleError):
    """The cycle changed since it was read: read it again and decide anew."""

    code = "stale_version"
    http_status = 412
    exit_code = 4

    def __init__(self, *, seen: int, found: int | None, what: str = "the cycle") -> None:
        super().__init__(
            "%(what)s has changed: you saw version %(seen)s, it is now at version %(found)s; "
            "look at it again before you act",
            what=Sentence(what),
            seen=seen,
            found=found,
        )
        self.seen = seen
        self.found = found


class StaleSelectionError(CycleError):
    """More cycles match than you saw: look again before you act on all of them."""

    code = "stale_selection"
    exit_code = 4


class LeaseLostError(CycleError):
    """This worker's lease ran out and another holds the cycle: stop deciding for it."""

    code = "lease_lost"


class IllegalTransitionError(CycleError):
    """The table of statuses has no such edge."""

    code = "illegal_transition"


class NotAllowedNowError(CycleError):
    """The verb does not fit the cycle's present state."""

    code = "not_allowed_now"


class PolicyDeniedError(CycleError):
    """The policy or the desk's mode forbids it; the message names the rule."""

    code = "policy_denied"


class HaltedError(PolicyDeniedError):
    """The desk is halted: nothing new that moves money is written."""

    code = "halted"


class InsufficientFundsError(PolicyDeniedError):
    """The desk's own account does not hold what the cycle would take."""

    code = "insufficient_funds"


class UncoveredError(CycleError):
    """A venue took more than the cycle and the desk have there: other cycles' coins. Bring in what lacks."""

    code = "uncovered"

    def __init__(self, told: str, /, *, venue: str, asset: str, missing: Decimal) -> None:
        super().__init__(told)
        self.venue, self.asset, self.missing = venue, asset, missing


class StillOwnsMoneyError(NotAllowedNowError):
    """A final status was asked for while the cycle still owns something in the ledger."""

    code = "still_owns_money"


class UnresolvedCallError(NotAllowedNowError):
    """A call of the cycle has an unknown outcome: only evidence may move it on."""

    code = "unresolved_call"


class InvalidInputError(CycleError):
    """A value is missing or malformed; the message names it, and `fields` what is wrong with each of several."""

    code = "invalid_input"
    http_status = 400
    exit_code = 2

    def __init__(
        self, told: str, /, fields: Mapping[str, Sequence[str]] | None = None, **parts: object
    ) -> None:
        super().__init__(told, **parts)
        self.fields = fields or {}


class UnseenVersionError(InvalidInputError):
    """The act must name the version it was decided on: read, then act on what you saw."""

    code = "unseen_version"
    http_status = 428


class NotFoundError(CycleError):
    """There is no such thing."""

    code = "not_found"
    http_status = 404
    exit_code = 2


class PermissionDeniedError(CycleError):
    """The person or token may not do this."""

    code = "permission_denied"
    http_status = 403


class StaleDataError(CycleError):
    """Something the decision needs (book, rate, rules) is missing or too old: try later."""

    code = "stale_data"
    http_status = 503
    exit_code = 75


class DatabaseBusyError(CycleError):
    """A lock could not be had in time, several times over: try later."""

    code = "database_busy"
    http_status = 503
    exit_code = 75


class NotMigratedError(CycleError):
    """The database lacks migrations of this code: run `manage.py migrate`, then start again."""

    code = "not_migrated"
    http_status = 503
    exit_code = 75

    def __init__(self, missing: Sequence[str]) -> None:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        super().__init__(
            f"the database is older than this code (it lacks {missing[0]}{more}): "
            "run manage.py migrate of this release, then start this again"
        )


class VenueClockError(CycleError):
    """A venue's clock and ours lie too far apart to trade there; it goes on when they agree."""

    code = "venue_clock"
    http_status = 503
    exit_code = 75
