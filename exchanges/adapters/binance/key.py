"""What Binance tells of the key that asks. Pure."""

from __future__ import annotations

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.transport.decoding import from_milliseconds
from exchanges.transport.reading import decode
from exchanges.values import KeyReport

TRADE, WITHDRAW, ALLOW_LIST = "enableSpotAndMarginTrading", "enableWithdrawals", "ipRestrict"
HARMLESS = frozenset({"enableReading", "enableFixReadOnly", TRADE, WITHDRAW})
GRANTS = ("enable", "permits")  # so that a permission of tomorrow counts as well


class _End(msgspec.Struct, rename="camel"):
    trading_authority_expiration_time: int | None = None


def key_report(body: bytes) -> KeyReport:
    """Read the flags; one that is missing is told nothing of."""
    told = decode(body, dict[str, bool | int | str | None])
    flags = {name: value for name, value in told.items() if isinstance(value, bool)}
    return KeyReport(
        venue=VENUE,
        may_trade=flags.get(TRADE),
        may_withdraw=flags.get(WITHDRAW),
        has_allow_list=flags.get(ALLOW_LIST),
        expires_at=from_milliseconds(decode(body, _End).trading_authority_expiration_time),
        extras=tuple(
            sorted(
                name
                for name, granted in flags.items()
                if granted and name.startswith(GRANTS) and name not in HARMLESS
            )
        ),
    )
