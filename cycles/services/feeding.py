"""The feeder's turn: what it watches, samples, wakes and hands to its lookout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

from cycles.domain.board import Board
from cycles.domain.premium import STABLE
from cycles.models import PolicyVersion, PremiumSample
from cycles.services import desk, quoting, waking, watching
from cycles.services.lookout import Lookout, Outlook
from cycles.services.rating import Rates
from exchanges import reference, registry
from exchanges.errors import NotSentError
from exchanges.feeds.states import Lack, NoBook, State
from exchanges.values import Book, Market, NetworkRules, RateQuote

OUTLOOK_LASTS = timedelta(seconds=5)  # between two readings of rules, pauses and closed wallets


class Streams(Protocol):
    """What the feeder asks of the feeds."""

    def watch(self, markets: Mapping[str, Sequence[Market]], *, oldest: timedelta) -> None:
        """Stream these markets from now on."""

    def state(self, venue: str, market: Market) -> State:
        """Give the newest state of a market."""

    def states(self) -> list[State]:
        """Give the newest states of all watched markets."""

    def call(self, act: Callable[[], None]) -> None:
        """Do something in the thread of the feeds."""


class Records(Protocol):
    """What the feeder tells its recorder, besides the states it hears by itself."""

    def rates(self, quotes: Mapping[str, RateQuote]) -> None:
        """Record the official rates that are new."""

    def wallets(self, rules: Iterable[NetworkRules]) -> None:
        """Record how assets move where that has changed."""


@dataclass(slots=True)
class Feeder:
    """One feeder; without streams every book is read by request."""

    streams: Streams | None = None
    lookout: Lookout | None = None
    recorder: Records | None = None
    rates: Rates = field(default_factory=Rates)
    _usable: frozenset[str] | None = None
    _back_rate: Decimal | None = None
    _read_at: datetime | None = None

    def turn(self) -> int:
        """Watch, sample, wake who waits for the way back just seen; returns how many samples."""
        if self._read_at is None or registry.utc_now() - self._read_at >= OUTLOOK_LASTS:
            self.read()
        source = _streamed(self.streams) if self.streams else watching.requested
        samples = watching.look(self.rates, source)
        self._wake(samples)
        if self.recorder is not None:
            self.recorder.rates(self.rates.quotes)
        return len(samples)

    def _wake(self, samples: Sequence[PremiumSample]) -> None:
        """Wake waiting cycles once the cheapest way back has become cheaper."""
        rates = [
            sample.return_krw_per_usdt
            for sample in samples
            if sample.return_krw_per_usdt and sample.asset in (self._usable or ())
        ]
        before, self._back_rate = self._back_rate, min(rates, default=None)
        if self._back_rate is not None and (before is None or self._back_rate < before):
            waking.wake_waiting(self._back_rate, before=before)
        if self.streams is not None and self.lookout is not None:
            self.streams.call(partial(self.lookout.looked, self._back_rate))

    @property
    def has_books(self) -> bool:
        """Say whether every watched market has a book."""
        states = self.streams.states() if self.streams else []
        return bool(states) and all(isinstance(state, Book) for state in states)

    def read(self) -> None:
        """Read what changes seldom: markets, pauses, closed wallets, rules; make a new outlook of it."""
        self._read_at = registry.utc_now()
        policy = desk.current_policy()
        if self.streams is not None:
            oldest = timedelta(seconds=policy.max_book_age_seconds)
            self.streams.watch(watched(policy), oldest=oldest)
        if self.recorder is not None:
            self.recorder.wallets(reference.known_networks())
        world, korea = registry.GLOBAL_VENUE, registry.KOREA_VENUE
        paused = desk.paused_assets(korea, world)
        shut = paused | reference.closed_ways(korea, world)
        self._usable = frozenset(policy.allowed_assets) - shut
        if self.streams is None or self.lookout is None:
            return
        outlook = self._outlook(policy, shut)
        streams, lookout = self.streams, self.lookout
        streams.call(lambda: lookout.adopt(outlook, streams.states()))

    def _outlook(self, policy: PolicyVersion, shut: frozenset[str]) -> Outlook:
        now, rules = registry.utc_now(), reference.rulebook()
        terms = {a: watching.terms_of(a, rules, now) for a in {*policy.allowed_assets, STABLE}}
        size_usdt, official = quoting.sample_size_usdt(policy), self.rates.first
        board = Board(
            {asset: found for asset, found in terms.items() if found is not None},
            world=registry.GLOBAL_VENUE,
            korea=registry.KOREA_VENUE,
            size_usdt=size_usdt,
            krw_per_usd=official.krw_per_usd if official else None,
            oldest=timedelta(seconds=policy.max_book_age_seconds),
        )
        return Outlook(board=board, limits=desk.limits(policy), size_usdt=size_usdt, paused=shut)


def _streamed(streams: Streams) -> watching.BookSource:
    """Give the books of the streams, which are read by request where a stream is silent."""

    def book(venue: str, market: Market, oldest: timedelta) -> Book:
        state = streams.state(venue, market)
        if isinstance(state, Book) and registry.utc_now() - state.received_at <= oldest:
            return state
        lack = state.lack if isinstance(state, NoBook) else Lack.STALE
        told = f"{venue} has no book of {market.code}: {lack}"
        raise NotSentError(told, venue=venue, operation="book")

    return book


def watched(policy: PolicyVersion) -> dict[str, list[Market]]:
    """Give the markets to stream by venue: those of the allowed assets that the venue is known to have.

    A subscription to a market that does not exist would be refused as a whole.
    """
    known = reference.known_markets()
    wanted = sorted({*policy.allowed_assets, STABLE})
    found: dict[str, list[Market]] = {}
    for venue in registry.VENUES:
        quote = STABLE if venue == registry.GLOBAL_VENUE else "KRW"
        markets = [Market(asset, quote) for asset in wanted if asset != quote]
        found[venue] = [market for market in markets if (venue, market.code) in known]
    return found
