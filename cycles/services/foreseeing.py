"""What the next cycle will ask for is known before it comes, so that it waits for no more than any other."""

from __future__ import annotations

from cycles.errors import NotFoundError
from cycles.services import desk, standing, venue_health
from exchanges import naming, registry
from exchanges.errors import ModeError, VenueError


def foresee() -> None:
    """Read the policy in force and the names of assets, and measure the venues' clocks before that is due.

    What cannot be had is left to whoever needs it, and is told why.
    """
    naming.refresh()
    try:
        standing.know(desk.current_policy())
    except NotFoundError:
        return  # nothing can be opened yet
    for venue in registry.desk_venues():
        try:
            venue_health.measure_clock(venue)
        except (VenueError, ModeError):
            continue
