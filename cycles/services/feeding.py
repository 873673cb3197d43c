"""The feeder's turn: what it watches, samples, wakes and hands to its lookout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
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
    _usable: dict[str, frozenset[str]] = field(default_factory=dict)  # assets, by Korean venue
    _back_rates: dict[str, Decimal] = field(default_factory=dict)  # for which all were woken
    _read_at: timedelta | None = None  # by the monotonic clock, which nobody sets back

    def turn(self) -> int:
        """Watch, sample, wake who waits for the way back just seen; returns how many samples."""
        if self._read_at is None or _monotonic() - self._read_at >= OUTLOOK_LASTS:
            self.read()
        source = _streamed(self.streams) if self.streams else watching.requested
        samples = watching.look(self.rates, source)
        self._wake(samples)
        if self.recorder is not None:
            self.recorder.rates(self.rates.quotes)
        return len(samples)

    def _wake(self, samples: Sequence[PremiumSample]) -> None:
        """Wake waiting cycles where the cheapest way back has become cheaper.

        A rate counts as known once all it clears for are woken: what fails, or is locked, is woken next turn.
        """
        cheapest = self._cheapest(samples)
        for venue in self._back_rates.keys() - cheapest.keys():
            del self._back_rates[venue]
        for venue, rate in cheapest.items():
            last = self._back_rates.get(venue)
            is_cheaper = last is None or rate < last
            if is_cheaper and waking.wake_waiting(venue, rate, before=last).has_left:
                continue
            self._back_rates[venue] = rate
        if self.streams is not None and self.lookout is not None:
            self.streams.call(partial(self.lookout.looked, cheapest))

    def _cheapest(self, samples: Sequence[PremiumSample]) -> dict[str, Decimal]:
        """Give the cheapest way back of each Korean venue, by an asset that may take it."""
        cheapest: dict[str, Decimal] = {}
        for sample in samples:
            venue, rate = sample.korea_venue, sample.return_krw_per_usdt
            if rate and sample.asset in self._usable.get(venue, frozenset()):
                cheapest[venue] = min(rate, cheapest.get(venue, rate))
        return cheapest

    @property
    def has_books(self) -> bool:
        """Say whether every watched market has a book."""
        states = self.streams.states() if self.streams else []
        return bool(states) and all(isinstance(state, Book) for state in states)

    def read(self) -> None:
        """Read what changes seldom: markets, pauses, closed wallets, rules; make a new outlook of it."""
        self._read_at = _monotonic()
        policy = desk.current_policy()
        if self.streams is not None:
            oldest = timedelta(seconds=policy.max_book_age_seconds)
            self.streams.watch(watched(policy), oldest=oldest)
        if self.recorder is not None:
            self.recorder.wallets(reference.known_networks())
        shut = {venue: _shut_from(venue) for venue in registry.korea_venues()}
        allowed = frozenset(policy.allowed_assets)
        self._usable = {venue: allowed - assets for venue, assets in shut.items()}
        if self.streams is not None and self.lookout is not None:
            outlook, streams, lookout = self._outlook(policy, shut), self.streams, self.lookout
            streams.call(lambda: lookout.adopt(outlook, streams.states()))

    def _outlook(self, policy: PolicyVersion, shut: dict[str, frozenset[str]]) -> Outlook:
        size_usdt = quoting.sample_size_usdt(policy)
        return Outlook(
            boards=self._boards(policy, size_usdt),
            paused=shut,
            limits=desk.limits(policy),
            size_usdt=size_usdt,
        )

    def _boards(self, policy: PolicyVersion, size_usdt: Decimal) -> dict[str, Board]:
        now, rules, official = registry.utc_now(), reference.rulebook(), self.rates.first
        assets = {*policy.allowed_assets, STABLE}
        boards = {}
        for venue in registry.korea_venues():
            terms = {asset: watching.terms_of(asset, venue, rules, now) for asset in assets}
            boards[venue] = Board(
                {asset: found for asset, found in terms.items() if found is not None},
                world=registry.GLOBAL_VENUE,
                korea=venue,
                size_usdt=size_usdt,
                krw_per_usd=official.krw_per_usd if official else None,
                oldest=timedelta(seconds=policy.max_book_age_seconds),
            )
        return boards


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())


def _shut_from(korea_venue: str) -> frozenset[str]:
    """Give the assets that may not come home from a venue: paused, closed, or vouched for by nobody."""
    world = registry.GLOBAL_VENUE
    paused = desk.paused_assets(korea_venue, world)
    return paused | quoting.barred_ways(korea_venue, world).keys()


def _streamed(streams: Streams) -> watching.BookSource:
    """Give the books of the streams, which are read by request where a stream is silent.

    What a venue calls otherwise is not streamed, and read here by its name there.
    """

    def book(venue: str, market: Market, oldest: timedelta) -> Book:
        if not registry.is_streamable(venue, market):
            return watching.requested(venue, market, oldest)
        state = streams.state(venue, market)
        if isinstance(state, Book) and registry.utc_now() - state.received_at <= oldest:
            return state
        lack = state.lack if isinstance(state, NoBook) else Lack.STALE
        told = f"{venue} has no book of {market.code}: {lack}"
        raise NotSentError(told, venue=venue, operation="book")

    return book


def watched(policy: PolicyVersion) -> dict[str, list[Market]]:
    """Give the markets to stream by venue: those of the assets to measure that the venue has, and calls as we do.

    A subscription to a market that does not exist would be refused as a whole.
    """
    known = reference.known_markets()
    wanted = sorted(quoting.measured_assets([policy, *quoting.policies_at_work()]))
    found: dict[str, list[Market]] = {}
    for venue in registry.desk_venues():
        quote = STABLE if venue == registry.GLOBAL_VENUE else "KRW"
        markets = [Market(asset, quote) for asset in wanted if asset != quote]
        found[venue] = [
            market
            for market in markets
            if (venue, market.code) in known and registry.is_streamable(venue, market)
        ]
    return found
