"""The statements of the pacing store."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent

TAKE = "SELECT * FROM exchanges_take_tokens(%s, %s)"

# Both make the row that they find missing: a ban may come before the first token was taken.
_ROW = """
    INSERT INTO exchanges_ratewindow AS w
        (venue, name, scope, span_ms, most, slot, used, waiting, held_because, {column})
    VALUES (%s, %s, %s, %s, %s, 0, array_fill(0, ARRAY[10]), '[]', {because}, {value})
    ON CONFLICT (venue, name, scope) DO UPDATE SET {changes}
"""
HOLD = _ROW.format(
    column="held_until",
    because="%s",
    value="clock_timestamp() + %s * interval '1 second'",
    changes="""
        held_until = greatest(w.held_until, excluded.held_until),
        held_because = CASE WHEN w.held_until > excluded.held_until THEN w.held_because
                            ELSE excluded.held_because END
    """,
)
LEARN = _ROW.format(
    column="told_at",
    because="''",
    value="clock_timestamp()",
    changes="most = excluded.most, told_at = excluded.told_at",
)
CLOCK = """
    INSERT INTO exchanges_venueclock AS c
        (venue, host, ahead_ms, doubt_ms, measured_at, stopped_because)
    VALUES (%s, %s, %s, %s, clock_timestamp(), '')
    ON CONFLICT (venue, host) DO UPDATE SET
        ahead_ms = excluded.ahead_ms, doubt_ms = excluded.doubt_ms, measured_at = excluded.measured_at
"""


def read(name: str) -> str:
    """Give the SQL of a function of the database's."""
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")
