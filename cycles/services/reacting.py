"""What a refusal changes for the desk, beyond the cycle that met it.

A key that a venue rejects pauses that venue for new cycles, once, until a person lifts it. Rules and
wallets that turn out to be others than we stored are read again at once, so that the retry knows them.
"""

from __future__ import annotations

import structlog

from cycles.domain.progress import Progress
from cycles.domain.words import Operation, PauseScope
from cycles.models import Alert
from cycles.services import desk
from cycles.services.alerting import raise_alert
from exchanges import market_sync, recent, registry, rule_sync
from exchanges.errors import RefusalReason, RefusedError, VenueError

log = structlog.get_logger(__name__)

# Refusals that say that what we stored of the venue is not so (any more). Funds too: a fee that has
# risen is what they do not suffice for.
STORED_OTHERWISE = frozenset(
    {
        RefusalReason.FUNDS,
        RefusalReason.RULES,
        RefusalReason.MARKET_CLOSED,
        RefusalReason.WALLET_CLOSED,
        RefusalReason.LIMIT,
    }
)


def react(progress: Progress) -> None:
    """Do what a cycle's failure calls for beyond the cycle; call it once the failure is written."""
    told = progress.context
    refusal, venue = told.get("refusal"), told.get("venue")
    if not venue or refusal not in set(RefusalReason):
        return
    if refusal == RefusalReason.KEY:
        key_rejected(venue, progress.reason)
    elif refusal in STORED_OTHERWISE and "asset" in told:
        _read_again(
            venue,
            told["asset"],
            closed_network=told.get("network", "")
            if refusal == RefusalReason.WALLET_CLOSED
            else "",
            is_order=told.get("operation") == Operation.PLACE_ORDER,
        )


def heed(error: VenueError) -> None:
    """React to what a venue told outside of any cycle."""
    if isinstance(error, RefusedError) and error.reason is RefusalReason.KEY:
        key_rejected(error.venue, str(error))


def key_rejected(venue: str, reason: str) -> None:
    """Let no cycle begin at a venue that rejects our key, and tell people once."""
    stands = desk.pause_by_system(
        PauseScope.VENUE, venue, reason=f"the venue rejects our key: {reason}"[:1000]
    )
    log.error("venue.key_rejected", venue=venue, reason=reason)
    raise_alert(
        key=f"key:{venue}:{stands.pk}",
        severity=Alert.Severity.CRITICAL,
        title=f"{venue} rejects our key: no new cycles there",
        body=f"{reason}\nCheck the key's rights, expiry and allowed addresses, then lift the pause.",
    )


def terms_changed(venue: str, asset: str) -> None:
    """Read a venue's terms of an asset again: a withdrawal took another fee than they told."""
    _read_again(venue, asset, closed_network="", is_order=False)


def _read_again(venue: str, asset: str, *, closed_network: str, is_order: bool) -> None:
    """Read the rules of a market, or of an asset's networks; what cannot be read stays as it was."""
    now = registry.utc_now()
    if closed_network:
        rule_sync.note_closed(venue, asset, closed_network, now)
    counts = market_sync.refresh(venue, asset, now, is_order=is_order)
    recent.forget()
    log.info("rules.read_again", venue=venue, asset=asset, problems=counts.problems)
