"""Venues' answers are kept in the order of their questions: who slept with an old one in hand keeps nothing.

Whoever asks takes a number first; an answer is kept only if nothing was kept of its subject since. So an
answer that is kept is always newer than all before it: it was asked for once they were there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

LISTINGS = "listings"
NUMBER = "nextval(pg_get_serial_sequence('exchanges_keptanswer', 'id'))"
# A later one locks the row as well: whoever comes next waits, and then sees what was kept.
KEEP = f"""INSERT INTO exchanges_keptanswer AS known (venue, subject, question, kept)
    SELECT %s, subject, %s, {NUMBER} FROM unnest(%s::text[]) AS subject ORDER BY subject
    ON CONFLICT (venue, subject) DO UPDATE SET question = excluded.question, kept = {NUMBER}
     WHERE known.kept < excluded.question OR known.question = excluded.question
 RETURNING subject"""  # noqa: S608  no value among it


@dataclass(frozen=True, slots=True)
class Question:
    """One question, or several in a row, to a venue: its number, and when it was asked by our clock."""

    number: int
    at: datetime


def asking(now: datetime) -> Question:
    """Take a number, before the venue is asked."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NUMBER}")
        (number,) = cursor.fetchone()
    return Question(number=number, at=now)


def newest(asked: Question, venue: str, subjects: Iterable[str]) -> frozenset[str]:
    """Give the subjects of which nothing was kept since the question was asked, but by its own answer.

    Of these its answer may be kept in this transaction, until whose end nobody else keeps anything of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [venue, asked.number, list(set(subjects))])
        return frozenset(subject for (subject,) in cursor.fetchall())


def rules(subject: str) -> str:
    """Name the rules of a market, or of an asset on a network."""
    return f"rules of {subject}"


def address(asset: str, network: str) -> str:
    """Name our address for an asset on a network."""
    return f"address of {asset} on {network}"


def allow_list(asset: str) -> str:
    """Name what a venue lets us send an asset to."""
    return f"allow-list of {asset}"
