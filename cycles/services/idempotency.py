"""Idempotency keys: an act under one key happens once, and its answer is given again for 72 hours.

The placeholder is committed before the act runs. An act whose answer was never written (the
process died, or failed in an unforeseen way) has an unknown outcome: its key stays taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from cycles.errors import CycleError, InvalidInputError
from cycles.models import IdempotencyRecord
from cycles.services.locking import in_transaction

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT = timedelta(hours=72)
LONGEST_ACT = timedelta(seconds=60)  # a web worker's request never lasts as long
MAX_KEY_LENGTH = 128


class KeyReusedError(CycleError):
    """The key was used for another request: take a new key for a new act."""

    code = "idempotency_key_reused"
    http_status = 422


class InFlightError(CycleError):
    """The first request under this key still runs: ask again shortly."""

    code = "request_in_flight"
    exit_code = 75
    retry_after_seconds: ClassVar[int] = 1


class AnswerUnknownError(CycleError):
    """The first request ended without an answer on record: look before acting anew."""

    code = "answer_unknown"
    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The key is ours: act, then `remember` or `forget`."""

    record_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The act was done: this is what was answered."""

    status: int
    body: Any
    headers: Mapping[str, str]


def fingerprint(*parts: object) -> str:
    """Give a hash of what a request asks for."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()


def begin(user: User, key: str, asked: str) -> Begun | Remembered:
    """Take the key for what is asked, durably, or give what was answered under it.

    Raises KeyReusedError, InFlightError, AnswerUnknownError, InvalidInputError.
    """
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidInputError("Idempotency-Key: 1 to 128 printable ASCII characters")
    record, is_new = in_transaction(lambda: _taken(user, key, asked))
    if is_new:
        return Begun(record_id=record.pk)
    if record.fingerprint != asked:
        raise KeyReusedError("this Idempotency-Key was used for another request; take a new one")
    if record.status is None:
        raise _unanswered(record)
    return Remembered(status=record.status, body=record.body, headers=record.headers)


def _taken(user: User, key: str, asked: str) -> tuple[IdempotencyRecord, bool]:
    """Insert the placeholder or read the row that stands; the unique constraint decides races."""
    IdempotencyRecord.objects.filter(user=user, key=key, created_at__lt=Now() - KEPT).delete()
    return IdempotencyRecord.objects.get_or_create(
        user=user, key=key, defaults={"fingerprint": asked}
    )


def _unanswered(record: IdempotencyRecord) -> CycleError:
    """Tell a request that still runs from one that ended without a word."""
    is_recent = ExpressionWrapper(
        Q(created_at__gt=Now() - LONGEST_ACT), output_field=BooleanField()
    )
    row = IdempotencyRecord.objects.filter(pk=record.pk).annotate(is_recent=is_recent).first()
    if row is None or row.is_recent:
        return InFlightError("the first request under this Idempotency-Key is still running")
    return AnswerUnknownError(
        "the first request under this Idempotency-Key ended without an answer on record; "
        "look at what it acted on, then use a new key"
    )


def remember(begun: Begun, *, status: int, body: Any, headers: Mapping[str, str]) -> None:
    """Keep the answer for whoever asks again."""
    IdempotencyRecord.objects.filter(pk=begun.record_id, status__isnull=True).update(
        status=status, body=body, headers=dict(headers)
    )


def forget(begun: Begun) -> None:
    """Give the key back: nothing was done, and the same request may be tried again."""
    IdempotencyRecord.objects.filter(pk=begun.record_id, status__isnull=True).delete()
