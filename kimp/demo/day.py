"""A day of the desk in a scenario: it opens by its policy, operators tend what dies, and all of it must end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from cycles.domain.states import FINAL
from cycles.domain.words import Mode
from cycles.errors import CycleError
from cycles.models import Cycle
from cycles.services import desk, verifying
from exchanges import registry
from kimp import control
from kimp.demo.harm import Harm
from kimp.demo.operator import Operator

POLICY: dict[str, object] = {
    "notional_usdt": Decimal(900),
    # Any edge will do, out and home: what is shown is the desk, not the market.
    "min_open_edge_bps": Decimal(-9000),
    "min_rebalance_edge_bps": Decimal(-9000),
    "daily_loss_limit_usdt": Decimal(1_000_000),
    "longest_wait_seconds": 86400,
    "max_open_cycles": 90,
    "max_open_cycles_per_asset": 24,
    "max_exposure_usdt": Decimal(90_000),
    "max_exposure_per_asset_usdt": Decimal(24_000),
    "allowed_assets": ["BTC", "ETH", "SOL", "USDT", "XRP"],
}
# Of each coin at each venue, the desk's own: a fee that rises before a withdrawal is paid from it.
RESERVES = {"BTC": "0.01", "ETH": "0.2", "SOL": "5", "USDT": "500", "XRP": "200"}
POLL_SECONDS = 0.5
TELL_SECONDS = 10.0


@dataclass(slots=True)
class Day:
    """Runs until enough cycles have been opened and all have ended, or the patience is over."""

    control_url: str
    turn: Callable[[float], bool]
    say: Callable[[str], None]
    wanted: int
    operator: Operator
    harm: Harm
    halts: list[str] = field(default_factory=list)
    _told_at: float = -1e9

    def play(self) -> None:
        """Watch, tend, harm, until the day is over."""
        while self.turn(POLL_SECONDS):
            statuses = Counter(Cycle.objects.values_list("status", flat=True))
            opened, ended = sum(statuses.values()), sum(statuses[one.value] for one in FINAL)
            self._tell(statuses)
            self._mind_the_mode(opened)
            self.harm.strike(ended / self.wanted)
            self.operator.tend()
            if opened >= self.wanted and ended == opened:
                return

    def _tell(self, statuses: Counter[str]) -> None:
        if time.monotonic() - self._told_at < TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        hours = market_hours(self.control_url)
        told = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        self.say(f"{hours:.1f} h of market: {told or 'no cycles yet'}")

    def _mind_the_mode(self, opened: int) -> None:
        """Stop opening when there are enough; look at a halt, which only a person leaves."""
        current = desk.current()
        if current.mode == Mode.HALT:
            self._look_at_halt(current.mode_reason, current.version)
        elif opened >= self.wanted and current.mode == Mode.RUN:
            desk.set_mode(Mode.FINALIZE_ONLY, actor=self.operator.actor, reason="enough for a day")

    def _look_at_halt(self, reason: str, version: int) -> None:
        self.halts.append(reason)
        report = verifying.verify_ledger()
        self.say(f"the desk has halted itself: {reason}; now: {list(report.problems)}")
        if report.matches_venues and report.is_balanced:
            try:
                desk.set_mode(
                    Mode.RUN, actor=self.operator.actor, reason="the ledger is explained",
                    seen_version=version,
                )  # fmt: skip
            except CycleError as error:
                self.say(f"not resumed: {error}")


def lay_by(control_url: str) -> None:
    """Let the desk begin with a little of each coin everywhere."""
    for venue in registry.desk_venues():
        for asset, quantity in RESERVES.items():
            credited = {"venue": venue, "asset": asset, "credit": quantity}
            control.ask(f"{control_url}/control/balances", credited)


def market_hours(control_url: str) -> float:
    """Give how much of market time has passed."""
    return float(control.ask(f"{control_url}/control/clock")["market_ms"]) / 3_600_000
