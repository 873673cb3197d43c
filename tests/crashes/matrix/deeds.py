"""What else commits, in a process of its own: neither a worker's way, nor an operator's act, nor a job's work."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.test import Client

from cycles.services import (
    alerting,
    calling,
    desk,
    idempotency,
    leasing,
    reacting,
    standing_in,
    working,
)
from cycles.services.holding import HANGS_AFTER_LEASES, Holdings
from cycles.services.idempotency import InFlightError
from cycles.services.moving import Lease
from kimp import schedules

PAUSED, KEY, ASKED = "upbit", "a test's key", "what is asked"
PASSWORD = "a-long-one-indeed"


def lease(cycle: str, owner: str, fence: int) -> Lease:
    """Give a lease that was told as words."""
    return Lease(cycle_id=UUID(cycle), owner=owner, fence=fence)


def halt_away_from_home() -> None:
    """Halt, as an intent is refused away from home."""
    desk.halt_away_from_home()


def pause_by_system() -> None:
    """Pause a venue that rejects our key, and tell people."""
    reacting.key_rejected(PAUSED, "a test")


def renew(**held: Any) -> None:
    """Renew a lease, as a worker's second thread does."""
    leasing.renew(held["owner"], [UUID(held["cycle"])])


def hand_back(**held: Any) -> None:
    """Hand a cycle back by itself, as who is told to stop does."""
    leasing.hand_back([lease(**held)])


def tell_of_a_hang(**held: Any) -> None:
    """Find that a thread hangs, and tell people."""
    now = [timedelta(0)]
    holdings = Holdings(held["owner"], lambda: now[0])
    holdings.take(lease(**held))
    lasts = timedelta(seconds=600)
    for _ in range(HANGS_AFTER_LEASES + 1):
        now[0] += lasts
        holdings.renew()


def tell_of_a_bug(**held: Any) -> None:
    """Tell people of a cycle that can be neither driven nor parked."""
    working._tell_not_parked(lease(**held), ValueError("a bug"))


def log_alerts() -> None:
    """Write what is due to the log, as there is no channel."""
    alerting.deliver_due()


def disown(client_order_id: str, **held: Any) -> None:
    """Note that an intent was not sent, as its worker does once the database is back."""
    calling._disown(lease(**held), client_order_id)


def begin() -> None:
    """Take a key, as an API request does; who asks again under it meets what it left."""
    try:
        idempotency.begin(User.objects.get(username="alice"), KEY, ASKED)
    except InFlightError:
        return


def open_by_the_door(plain: str, key: str) -> Any:
    """Open a cycle through the API, under a key; gives the answer."""
    asked = {"asset": "XRP", "notional_usdt": "150", "dry_run": False, "reason": "a test"}
    sent = {"Authorization": f"Bearer {plain}", "Idempotency-Key": key, "Host": "localhost"}
    body = json.dumps(asked)
    reply = Client().post("/api/v1/cycles/", body, content_type="application/json", headers=sent)
    assert reply.status_code in {201, 409}, reply.content
    return reply


def confirm_simulated() -> None:
    """Let the simulation confirm what is proposed."""
    standing_in.confirm_simulated()


def sync_schedules() -> None:
    """Write which jobs the queue runs, as the cluster begins."""
    schedules.sync()
