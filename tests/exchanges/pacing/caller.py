"""A process of the desk that calls venues as it is told, a line of JSON each way; its own budgets if asked."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import django
from prometheus_client import REGISTRY


def main() -> None:
    """Say ready, then do one thing after the other."""
    channel, sys.stdout = sys.stdout, sys.stderr
    django.setup()
    from exchanges import registry  # noqa: PLC0415  Django first

    registry.configure(database_is_live=False)
    caller = Caller(registry)
    channel.write('"ready"\n')
    channel.flush()
    for line in sys.stdin:
        spec = json.loads(line)
        channel.write(json.dumps(getattr(caller, spec.pop("do"))(**spec)) + "\n")
        channel.flush()


class Caller:
    """What it can be told to do."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry

    def begin(self, *, shares: bool) -> str:
        """Forget everything; without sharing, only pause when the venue says so."""
        from exchanges.pacing.process import Pacing  # noqa: PLC0415  Django first

        self.registry.forget()
        self.registry._pacing = made = Pacing(wall=self.registry.utc_now)
        if not shares:
            from exchanges.transport.budget import RateBudget  # noqa: PLC0415  Django first

            for code in self.registry.VENUES:
                made._budgets[code, True] = RateBudget(code)
        return "begun"

    def hammer(
        self, *, venue: str, operation: str, seconds: float, threads: int = 1
    ) -> dict[str, Any]:
        """Call as fast as it goes; tell what came of it, and how long calls took on average."""
        counts: Counter[str] = Counter()
        took: list[float] = []
        before = turned_away(venue, operation)
        ends_at = time.monotonic() + seconds

        def work() -> None:
            call = self._call(venue, operation)
            while time.monotonic() < ends_at:
                began = time.monotonic()
                counts[self._outcome(call)] += 1
                took.append(time.monotonic() - began)

        crew = [threading.Thread(target=work) for _ in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        turned = turned_away(venue, operation) - before
        return {**counts, "turned_away": turned, "mean": sum(took) / len(took)}

    def calls(self, *, venue: str, operation: str, times: int) -> dict[str, Any]:
        """Call so many times."""
        call = self._call(venue, operation)
        counts = Counter(self._outcome(call) for _ in range(times))
        return dict(counts)

    def hoard(self, *, venue: str, operation: str, units: int) -> str:
        """Take tokens and call nobody."""
        from exchanges.transport.limits import Priority  # noqa: PLC0415  Django first

        self.registry.venue(venue)
        budget = self.registry._pacing._budgets[venue, True]
        for _ in range(units):
            budget.take(operation, priority=Priority.MONEY, patience_seconds=5)
        return "hoarded"

    def _call(self, venue: str, operation: str) -> Callable[[], object]:
        from exchanges.values import Market  # noqa: PLC0415  Django first

        one = self.registry.venue(venue)
        market = Market("XRP", "KRW" if venue == "upbit" else "USDT")
        known: dict[str, Callable[[], object]] = {
            "book": lambda: one.book(market),
            "balances": one.balances,
            "cancel_order": lambda: one.cancel_order(market, client_order_id="k-unheard-of"),
        }
        return known[operation]

    def _outcome(self, call: Callable[[], object]) -> str:
        from exchanges.errors import KeptBackError, ThrottledError, VenueError  # noqa: PLC0415

        try:
            call()
        except KeptBackError as error:
            time.sleep(0.2 if error.retry_after_seconds else 0)
            return "kept_back"
        except ThrottledError:
            return "turned_away"
        except VenueError:
            return "failed"
        return "done"


def turned_away(venue: str, operation: str) -> float:
    """Count attempts that the venue's limiter refused, repeated ones too."""
    labels = {"venue": venue, "operation": operation, "outcome": "throttled"}
    return REGISTRY.get_sample_value("kimp_venue_calls_total", labels) or 0


if __name__ == "__main__":
    main()
