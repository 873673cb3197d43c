"""Which adapter speaks to a venue: the live one or the simulated one, by setting and database.

Live needs both the environment's switch and a LIVE database. Live keys are read for live venues only;
simulated ones bring their own.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from exchanges import conf, naming
from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.rates.client import Eximbank, frankfurter, open_er_api
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.clocks import ClockState
from exchanges.errors import (
    KeptBackError,
    ModeError,
    RefusalReason,
    RefusedError,
    StaleReferenceError,
    VenueError,
)
from exchanges.identity.named_venue import NamedVenue
from exchanges.pacing.process import HOST, Pacing
from exchanges.port import RateSource, StreamedBooks, Venue
from exchanges.sentences import Sentence
from exchanges.simulated_accounts import SimulatedAccounts
from exchanges.transport import leaving
from exchanges.transport.budget import RateBudget
from exchanges.transport.clock import VenueClock
from exchanges.transport.limits import DOOR, ends_by, is_settling, seconds_left
from exchanges.transport.shares import Share, shares as shares_of
from exchanges.transport.wire import Keys
from exchanges.values import Book, Market

GLOBAL_VENUE = "binance"
SENT_WITHIN_SECONDS = 5  # of its intent, or never
DELIVERED_LATE_SECONDS = 5  # after its deadline: TCP_USER_TIMEOUT counts from the first resending

ADAPTERS: dict[str, type[BinanceVenue | UpbitVenue | BithumbVenue]] = {
    GLOBAL_VENUE: BinanceVenue,
    "upbit": UpbitVenue,
    "bithumb": BithumbVenue,
}
LIVE_ACCOUNTS: dict[str, Callable[[], conf.AccountSettings]] = {
    GLOBAL_VENUE: conf.binance,
    "upbit": conf.upbit,
    "bithumb": conf.bithumb,
}
VENUES = tuple(ADAPTERS)
KOREAN_VENUES = VENUES[1:]
VenueShare = Share  # by this name for all who may not know the transport
DOOR_WINDOW = DOOR  # so too: what a ban closes
sending_unless = leaving.sending_unless


@dataclass(slots=True)
class _Shared:
    """What the threads of one process share."""

    database_is_live: bool | None = None  # None: ask `ask_database` at the first call
    ask_database: Callable[[], bool | None] | None = None
    generation: int = 0
    books: StreamedBooks | None = None
    before_call: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One thread's adapter of a venue, as it is and behind our codes."""

    account: conf.AccountSettings
    adapter: Venue
    venue: Venue


_shared = _Shared()
_guard = threading.Lock()
_mine = threading.local()


def korea_venues() -> tuple[str, ...]:
    """Give the Korean venues that this desk trades at, as its settings name them."""
    return conf.korea_venues()


def desk_venues() -> tuple[str, ...]:
    """Give every venue that this desk trades at."""
    return (GLOBAL_VENUE, *korea_venues())


def configure(*, database_is_live: bool) -> None:
    """Say what kind of database this process works on."""
    with _guard:
        _shared.database_is_live = database_is_live
    forget()


def configure_by(ask_database: Callable[[], bool | None]) -> None:
    """Let the kind of the database be asked at the first call; None: it has none yet (simulated).

    So no process can forget to say it and take a simulator's word for a real order's.
    """
    _shared.ask_database = ask_database


def _database_is_live() -> bool:
    """Give the kind of the database, asked once: it is what it is for ever."""
    if _shared.database_is_live is None and _shared.ask_database is not None:
        _shared.database_is_live = _shared.ask_database()
    return bool(_shared.database_is_live)


def is_live() -> bool:
    """Say whether calls go to live venues. Raises ModeError for a LIVE database without KIMP_LIVE."""
    live = _database_is_live()
    if live and not conf.is_live():
        raise ModeError("this database is LIVE, but KIMP_LIVE is not set: nothing is called")
    return live


def venue(code: str) -> Venue:
    """Give this thread's adapter for a venue, speaking our codes by the registry of assets.

    Raises NotSentError if the simulator is to be asked for its accounts and does not answer.
    """
    found = _held(code).venue
    if _shared.before_call is not None:
        _shared.before_call()
    return found


def shares(code: str, calls: Mapping[str, int]) -> list[VenueShare]:
    """Give what a steady stream gets of a venue's windows, and calls draw from them; no venue is asked."""
    return list(shares_of(ADAPTERS[code].limits, calls))


def before_calls(act: Callable[[], None] | None) -> None:
    """Let something be done whenever a thread is about to call a venue: it may wait there for long."""
    _shared.before_call = act


def leave_outages_to(says: Callable[[], bool] | None) -> None:
    """Let the store of rate budgets say nothing of a database that is away while `says` gives that somebody does."""
    _pacing.says_of_outages = says


def has_keys(code: str) -> bool:
    """Say whether this process was given keys for a venue; simulated ones bring their own."""
    account = LIVE_ACCOUNTS[code]() if is_live() else None
    return account is None or bool(account.access and account.secret)


def adapter(code: str) -> Venue:
    """Give this thread's adapter as it is, speaking the venue's own names: streams speak them too.

    All else asks `venue`. Raises as it does.
    """
    return _held(code).adapter


def _held(code: str) -> _Held:
    """Give what this thread keeps of a venue, made at first use and for another account anew."""
    account = _account(code)
    kept = _kept()
    held = kept.get(code)
    if held is not None and held.account == account:
        return held
    if held is not None:
        held.adapter.close()
    kind = ADAPTERS[code]
    made = kind(
        base_url=account.base_url,
        keys=Keys(access=account.access, secret=account.secret),
        clock=utc_now,
        budget=_pacing.budget(code, kind.limits, is_limited=account.is_limited),
        venue_clock=_clock(code),
        deadline_seconds=conf.deadline_seconds(),
    )
    named = NamedVenue(made, partial(naming.names, code))
    kept[code] = _Held(account=account, adapter=made, venue=named)
    return kept[code]


def symbol(code: str, asset: str) -> str:
    """Give a venue's own symbol of an asset, as its streams name it."""
    return naming.names(code).symbol(asset)


def is_streamable(code: str, market: Market) -> bool:
    """Say whether a venue calls a market as we do: streams speak its names, and under ours there may be another coin."""
    return naming.names(code).market(market) == market


def use_streams(books: StreamedBooks | None) -> None:
    """Let `book` look at streamed books first; None: read every book."""
    _shared.books = books


def book(code: str, market: Market, *, newest: timedelta, depth: int = 15) -> Book:
    """Give a market's book: streamed if it is no older than `newest`, else read by request.

    Streams speak the venue's own names: a market that is called otherwise is read. Raises VenueError as the adapter does.
    """
    streamed = _shared.books
    if streamed is not None and is_streamable(code, market):
        found = streamed.book(code, market, since=utc_now() - newest)
        if found is not None:
            return found
    return venue(code).book(market, depth=depth)


def public_venue(code: str, base_url: str) -> Venue:
    """Make an adapter without keys for public reads at any address; the caller closes it.

    It keeps the venue's limits by itself: there may be no database, and no desk.
    """
    adapter = ADAPTERS[code]
    return adapter(
        base_url=base_url,
        keys=Keys(access="", secret=""),
        clock=utc_now,
        budget=RateBudget(code, adapter.limits),
    )


def stream_url(code: str) -> str:
    """Give where a venue's streams are, as `ws(s)://host`. Raises NotSentError as `venue` does."""
    url = conf.stream_url(code) if is_live() else _account(code).base_url
    return url.rstrip("/").replace("http", "ws", 1)


def account_stream_url(code: str) -> str:
    """Give where a venue's private stream is, as `ws(s)://host`. Raises NotSentError as `venue` does."""
    url = conf.account_stream_url(code) if is_live() else _account(code).base_url
    return url.rstrip("/").replace("http", "ws", 1)


def rate_sources() -> tuple[RateSource, ...]:
    """Give this thread's sources of the official rate, first choice first.

    Eximbank is one of them if there is a key for it, and rates are not the simulator's.
    """
    _kept()
    where = (conf.frankfurter_url(), conf.open_er_api_url(), conf.eximbank())
    held: tuple[object, tuple[RateSource, ...]] | None = _mine.rates
    if held is None or held[0] != where:
        made: tuple[RateSource, ...] = (
            frankfurter(where[0], clock=utc_now),
            open_er_api(where[1], clock=utc_now),
        )
        if where[2].key:
            made = (*made, Eximbank(where[2].url, where[2].key, clock=utc_now))
        held = _mine.rates = (where, made)
    return held[1]


@contextmanager
def settling() -> Iterator[None]:
    """Let reads go before polling: they settle what became of something that moved money."""
    token = is_settling.set(True)
    try:
        yield
    finally:
        is_settling.reset(token)


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """Let no call last longer than that from now, and none that moves money begin which could."""
    token = ends_by.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        ends_by.reset(token)


def demand_open(code: str, operation: str) -> None:
    """Raise KeptBackError while the venue wants this operation left alone: nothing need be intended.

    So it is for a caller that could be cut off before the venue's answer.
    """
    seconds, why = _pacing.seconds_held(code, operation), "the venue asked us to wait"
    if seconds_left() < conf.deadline_seconds() + SENT_WITHIN_SECONDS:
        seconds, why = max(seconds, 1.0), "whoever asks is to end before its answer"
    if seconds > 0:
        raise KeptBackError(
            f"{code} {operation}: kept back, {why}",
            venue=code,
            operation=operation,
            retry_after_seconds=math.ceil(seconds),
        )


def seconds_shut(code: str) -> float:
    """Give how long a venue lets no call through, as this process was told; 0 if it does. No venue is asked."""
    return _pacing.seconds_shut(code)


def clock_state(code: str, *, is_early: bool = False) -> ClockState:
    """Give where a venue's clock stands, by a look that is at most a minute old; `is_early`: half of that.

    Raises VenueError if the venue cannot be asked and nothing is known.
    """
    known = _clock(code)
    try:
        _look_at_clock(code, known, is_early=is_early)
    except VenueError:
        known.look_failed()
        if known.state().ahead_seconds is None:
            raise
    state = known.state()
    _pacing.tell_clock(state)
    return state


def _look_at_clock(code: str, known: VenueClock, *, is_early: bool) -> None:
    """Measure what is old; try a clock that was refused again when that is due."""
    is_on_trial = known.may_probe()
    if is_on_trial or known.wants_look(is_early=is_early):
        venue(code).server_time()
    if is_on_trial:
        try:
            venue(code).balances()
        except RefusedError as refusal:
            if refusal.reason is not RefusalReason.CLOCK:
                raise


def host_name() -> str:
    """Name the host whose clock this process goes by."""
    return HOST


def _clock(code: str) -> VenueClock:
    return _pacing.clock(code, reads_dates=not ADAPTERS[code].has_time_endpoint)


def objection(code: str, asset: str, network: str | None = None, *, may_end: bool = False) -> str:
    """Say why the registry of assets lets nothing begin with an asset at a venue; nothing if it does.

    From memory, seconds old. `may_end`: what has arrived may be sold unless its name is blocked. Raises
    StaleReferenceError where nothing was ever fetched.
    """
    names = naming.names(code)
    if not names.is_known:
        raise StaleReferenceError(
            Sentence("the assets of %(venue)s were never fetched: run sync_markets", venue=code)
        )
    return names.objection(asset, network, may_end=may_end)


def forget() -> None:
    """Make every thread build its adapters anew (another simulator, another mode)."""
    _simulated.forget()
    with _guard:
        _shared.generation += 1
    _pacing.forget()
    naming.forget()


def release() -> None:
    """Close this thread's adapters: it will call no venue any more."""
    for held in _kept().values():
        held.adapter.close()
    for source in _mine.rates[1] if _mine.rates else ():
        source.close()
    _mine.venues, _mine.rates = {}, None


def utc_now() -> datetime:
    """Read the clock adapters stamp with."""
    return datetime.now(UTC)  # noqa: TID251 - the composition of adapters is an entry point


_pacing = Pacing(wall=utc_now)
_simulated = SimulatedAccounts(VENUES)


def _kept() -> dict[str, _Held]:
    """Give this thread's adapters, emptied if they were forgotten."""
    if getattr(_mine, "generation", None) != _shared.generation:
        _mine.generation, _mine.venues, _mine.rates = _shared.generation, {}, None
    kept: dict[str, _Held] = _mine.venues
    return kept


def _account(code: str) -> conf.AccountSettings:
    if code not in ADAPTERS:
        raise ValueError(f"no such venue: {code!r}; there are {', '.join(VENUES)}")
    return LIVE_ACCOUNTS[code]() if is_live() else _simulated.account(code)
