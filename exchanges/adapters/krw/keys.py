"""What the Korean venues tell of the account's keys: each one's end, and nothing of its scopes. Pure."""

from __future__ import annotations

import msgspec

from exchanges.transport.decoding import UnreadableError, instant
from exchanges.transport.reading import decode
from exchanges.values import KeyReport


class _Key(msgspec.Struct):
    access_key: str
    expire_at: str | None = None


def key_report(body: bytes, venue: str, access: str, *, has_allow_list: bool | None) -> KeyReport:
    """Find our own key among the account's; UnreadableError if it is not there."""
    mine = next((row for row in decode(body, list[_Key]) if row.access_key == access), None)
    if mine is None:
        raise UnreadableError("the account's list of keys leaves out the key that asks")
    expires_at = instant(mine.expire_at)
    return KeyReport(venue=venue, has_allow_list=has_allow_list, expires_at=expires_at)
