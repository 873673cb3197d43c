"""The sweeps: the roles' own services, run each minute behind their backs; running twice is harmless."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.services import advancing, leasing

BATCH = 20


def _owner() -> str:
    """Name the worker as an owner of leases."""
    return f"worker:{conf.session_id()[:16]}"


def _sweep(only: Q) -> int:
    """Claim and drive what the roles have left lying; returns how many cycles."""
    driven = 0
    for role in (Role.INITIATOR, Role.FINALIZER):
        for lease in leasing.claim(role, _owner(), limit=BATCH, only=only):
            advancing.advance(lease)
            driven += 1
    return driven


def sweep_retries() -> int:
    """Resume retries that fell due and that no role has taken."""
    return _sweep(Q(status="RETRY_PENDING"))


def sweep_expired_leases() -> int:
    """Take over cycles whose worker let its lease run out, through reconciliation."""
    return _sweep(Q(lease_expires_at__lte=Now()) & ~Q(lease_owner=""))
