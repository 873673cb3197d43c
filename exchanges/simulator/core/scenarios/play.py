"""What a world remembers of the scenario that is played in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

DEFAULT = "default"


@dataclass(slots=True, kw_only=True)
class Play:
    """`number` grows with each scenario taken up, so that what an earlier one planned is left out.

    `running` are the spells under way and `begun` how often each has come, by their place in the scenario.
    """

    scenario: str = DEFAULT
    number: int = 0
    since_market_ms: int = 0
    running: set[int] = field(default_factory=set)
    begun: Counter[int] = field(default_factory=Counter)
