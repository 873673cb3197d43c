"""Column shapes that recur, and the identifiers of cycles."""

from __future__ import annotations

import secrets
import time
import uuid
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BITS = 60
LONGEST_NAME = 150  # of a user, as Django keeps it


def uuid7() -> uuid.UUID:
    """Make a time-ordered UUID (RFC 9562, version 7): millisecond stamp, then randomness."""
    stamp = time.time_ns() // 1_000_000
    value = (stamp << 80) | (0x7 << 76) | (secrets.randbits(12) << 64)
    return uuid.UUID(int=value | (0b10 << 62) | secrets.randbits(62))


def public_code(identifier: uuid.UUID) -> str:
    """Give the code that people use for a cycle: CYC- and the UUID's last 60 bits in base32."""
    tail = identifier.int & ((1 << CODE_BITS) - 1)
    digits = [CROCKFORD[(tail >> shift) & 31] for shift in range(CODE_BITS - 5, -1, -5)]
    return "CYC-" + "".join(digits)


def money(verbose_name: Any = None, **options: Any) -> models.DecimalField[Any, Any]:
    """Make a column for an exact quantity of some asset."""
    options.setdefault("max_digits", 38)
    options.setdefault("decimal_places", 18)
    return models.DecimalField(verbose_name, **options)


def bps(verbose_name: Any = None, **options: Any) -> models.DecimalField[Any, Any]:
    """Make a column for basis points (1/10,000)."""
    options.setdefault("max_digits", 12)
    options.setdefault("decimal_places", 4)
    return models.DecimalField(verbose_name, **options)


ZERO = Decimal(0)


def by(column: str, name: str) -> models.Index:
    """Index what names something in a column: a search is by one name, and most rows of a worker have none."""
    return models.Index(F(column), name=name, condition=~Q(**{column: ""}))


class Correlated(models.Model):
    """The ids that tie a row to the request, session and trace it was written under."""

    request_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    session_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    trace_id = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        abstract = True
