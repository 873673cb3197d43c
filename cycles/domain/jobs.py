"""The jobs of the queue, and how often each runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One task and how often it runs."""

    name: str
    minutes: int

    @property
    def function(self) -> str:
        """Return the dotted name that the queue stores."""
        return f"cycles.tasks.{self.name}"


SCHEDULES = (
    Scheduled(name="sweep_retries", minutes=1),
    Scheduled(name="sweep_expired_leases", minutes=1),
    Scheduled(name="process_dead_letters", minutes=1),
    Scheduled(name="reconcile_open_calls", minutes=1),
    Scheduled(name="tell_of_bans", minutes=1),
    Scheduled(name="deliver_alerts", minutes=1),
    Scheduled(name="roll_up_samples", minutes=1),
    Scheduled(name="refresh_markets", minutes=10),
    Scheduled(name="verify_ledger", minutes=5),
    Scheduled(name="prune", minutes=60),
)
