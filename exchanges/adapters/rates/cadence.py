"""When sources of the official rate publish, and so when a quote of theirs is overdue. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

DAY = timedelta(days=1)
# The ECB publishes its reference rates at about 16:00 in Frankfurt: 15:00 UTC, an hour less in summer.
ECB_PUBLISHES_AT = time(15, tzinfo=UTC)
ECB_GRACE = timedelta(hours=4)  # late publications, and services that copy them
ER_API_GRACE = timedelta(hours=6)
# Eximbank fixes at about 11:00 in Seoul on Korean business days; the longest holidays last ten days.
EXIMBANK_FIXES_AT = time(2, tzinfo=UTC)
EXIMBANK_LONGEST = timedelta(days=11)
SEOUL = timedelta(hours=9)


def ecb_quoted_at(day: date) -> datetime:
    """Give the instant of the ECB's rates of a day."""
    return datetime.combine(day, ECB_PUBLISHES_AT)


def ecb_good_until(day: date) -> datetime:
    """Give when the rates after those of a day are overdue: the next TARGET day, with some grace."""
    following = day + DAY
    while not is_target_day(following):
        following += DAY
    return datetime.combine(following, ECB_PUBLISHES_AT) + ECB_GRACE


def is_target_day(day: date) -> bool:
    """Say whether the euro's payment system is open: weekdays but for six holidays."""
    easter = easter_sunday(day.year)
    closed = {(1, 1), (5, 1), (12, 25), (12, 26)}
    moving = {easter - 2 * DAY, easter + DAY}  # Good Friday, Easter Monday
    return day.weekday() < 5 and (day.month, day.day) not in closed and day not in moving


def easter_sunday(year: int) -> date:
    """Give Easter Sunday (the anonymous Gregorian computus)."""
    golden, century, part = year % 19, year // 100, year % 100
    correction = (8 * century + 13) // 25
    epact = (19 * golden + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (part // 4) - epact - part % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def er_api_good_until(quoted_at: datetime, next_at: datetime | None) -> datetime:
    """Give when open.er-api's next update is overdue; it names it, and else comes daily."""
    return (next_at or quoted_at + DAY) + ER_API_GRACE


def eximbank_days(now: datetime) -> Iterator[date]:
    """Give the days to ask Eximbank for, newest first: today in Seoul, then back over holidays."""
    today = (now + SEOUL).date()
    for back in range(EXIMBANK_LONGEST.days):
        yield today - back * DAY


def eximbank_quoted_at(day: date) -> datetime:
    """Give the instant of Eximbank's fixing of a day."""
    return datetime.combine(day, EXIMBANK_FIXES_AT)


def eximbank_good_until(day: date) -> datetime:
    """Give when a fixing is too old to be the last before a holiday."""
    return eximbank_quoted_at(day) + EXIMBANK_LONGEST
