"""Reads a recording that a feeder made (`manage.py feeder --record DIR`) for the simulator to play."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from exchanges.feeds.states import NoBook
from exchanges.recording.folder import files_of, recorded
from exchanges.recording.moments import Moment
from exchanges.simulator.core.catalog import BOOKED_ASSETS
from exchanges.simulator.core.prices import USDT, Rate
from exchanges.simulator.core.reel import SECOND_MS, Reel, Track, WalletState, packed
from exchanges.simulator.core.values import BINANCE, UPBIT
from exchanges.values import Book, NetworkRules, RateQuote

RECORDING = "recording"
TWO = Decimal(2)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def has_recording(folder: Path) -> bool:
    """Say whether a folder holds a recording."""
    return bool(files_of(folder))


@dataclass
class _Strip:
    """One market's books as they come: the last one of each second is kept."""

    times: list[int] = field(default_factory=list)
    mids: list[Decimal] = field(default_factory=list)
    books: list[bytes | None] = field(default_factory=list)

    def add(self, at_ms: int, mid: Decimal, book: bytes | None) -> None:
        holds_from = -(-at_ms // SECOND_MS) * SECOND_MS
        if self.times and self.times[-1] >= holds_from:
            self.mids[-1], self.books[-1] = mid, book
            return
        self.times.append(holds_from)
        self.mids.append(mid)
        self.books.append(book)

    def track(self) -> Track:
        return Track(tuple(self.times), tuple(self.mids), tuple(self.books))


@dataclass
class _Reading:
    """What has been read so far."""

    strips: dict[tuple[str, str], _Strip] = field(default_factory=dict)
    rates: dict[int, Decimal] = field(default_factory=dict)
    wallets: list[WalletState] = field(default_factory=list)
    last_ms: int = 0

    def take(self, moment: Moment) -> None:
        at_ms, what = _ms(moment.at), moment.what
        self.last_ms = max(self.last_ms, at_ms)
        if isinstance(what, Book):
            mid = (what.bids[0].price + what.asks[0].price) / TWO
            strip = self.strips.setdefault((what.venue, what.market.base), _Strip())
            strip.add(at_ms, mid, packed(what.bids, what.asks))
        elif isinstance(what, NoBook):
            gone = self.strips.get((what.venue, what.market.base))
            if gone is not None:
                gone.add(at_ms, gone.mids[-1], None)
        elif isinstance(what, RateQuote):
            self.rates[_ms(what.quoted_at)] = what.krw_per_usd
        elif isinstance(what, NetworkRules):
            self.wallets.append(_wallet(what, at_ms))


def _wallet(rules: NetworkRules, at_ms: int) -> WalletState:
    return WalletState(
        at_ms=at_ms,
        venue=rules.venue,
        asset=rules.asset,
        network=rules.network,
        can_deposit=rules.deposit_is_open,
        can_withdraw=rules.withdraw_is_open,
        withdraw_fee=rules.withdraw_fee,
        withdraw_min=rules.withdraw_minimum,
    )


def load_reel(folder: Path, name: str = RECORDING) -> Reel:
    """Load a recording; raise LookupError for what it lacks, or if it is not the one that `name` names.

    The name holds the first and the last instant: a world that was saved with one plays no other.
    """
    reel = reel_of(recorded(folder))
    if name not in {RECORDING, reel.name}:
        raise LookupError(f"{folder} holds {reel.name}, not {name}")
    return reel


def reel_of(moments: Iterable[Moment]) -> Reel:
    """Make a recording playable: assets with books at Upbit and Binance, from when all of them have one."""
    reading = _Reading()
    for moment in moments:
        reading.take(moment)
    strips = reading.strips
    assets = tuple(
        a for a in BOOKED_ASSETS if (UPBIT, a) in strips and (BINANCE, a) in strips and a != USDT
    )
    if not assets:
        raise LookupError("the recording has no asset with books at Upbit and at Binance")
    if not reading.rates:
        raise LookupError("the recording has no official rate")
    needed = [strips[venue, asset].times[0] for venue in (UPBIT, BINANCE) for asset in assets]
    start_ms, end_ms = max(needed), (reading.last_ms // SECOND_MS + 1) * SECOND_MS
    if end_ms <= start_ms + SECOND_MS:
        raise LookupError("the recording is shorter than two seconds")
    wanted = {*assets, USDT}
    return Reel(
        name=f"{RECORDING}:{_written(start_ms)}..{_written(end_ms)}",
        start_ms=start_ms,
        end_ms=end_ms,
        assets=assets,
        series={},
        rates=tuple(
            Rate(quoted_ms=at_ms, krw_per_usd=rate) for at_ms, rate in sorted(reading.rates.items())
        ),
        description="a recording by the feeder",
        recorded="order books of the venues, second by second; official USD/KRW; wallet states",
        generated="books where the recording has none, around the last price",
        tracks={key: strip.track() for key, strip in strips.items() if key[1] in wanted},
        wallets=tuple(reading.wallets),
    )


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def _written(at_ms: int) -> str:
    return f"{EPOCH + timedelta(milliseconds=at_ms):%Y%m%dT%H%M%S}"
