"""Frames to books and to decisions, in one process with a hundred markets, beside ccxt pro's own handlers.

Rates are by the thread's own CPU, on both sides: what else runs on the machine does not count. A frame's
time to the decision is told by the wall, as it is lived, and by the CPU.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from cycles.domain.board import Board
from cycles.domain.decision import Decision, Exposure, Limits, opening_decision
from cycles.domain.premium import Terms
from exchanges.feeds.binance import BinanceBooks
from exchanges.feeds.korean import BithumbBooks, UpbitBooks
from exchanges.feeds.states import State
from exchanges.feeds.venues import VenueBooks
from exchanges.values import Book, Level, Market
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.frames import BEGAN, COINS, STABLE, Frames, made
from tests.oracle.talking import Client, MissingOracleError

DEPTH, ASKED = 30, 500
OLDEST = timedelta(days=1)
SIZE = Decimal(5000)
CCXT = "ccxt pro's handler"
Best = dict[str, tuple[Decimal, Decimal]]


def run(*, rounds: int, repeats: int, compares: bool = True) -> Findings:
    """Feed the same frames to our books, to decisions and to ccxt; the final books must be the same."""
    frames = made(rounds)
    ours = [to_books(frames) for _ in range(repeats)]
    whole = [to_books(frames, reads_all=True) for _ in range(repeats)]
    decided = [_to_decisions(frames) for _ in range(repeats)]
    theirs = by_ccxt(frames, repeats) if compares else []
    work = {
        "frames": len(frames.frames),
        "markets": 3 * len(COINS) + 1,
        "fingerprint": frames.fingerprint,
        "decisions": decided[0].decisions,
        "opened": decided[0].opened,
        "reference": "ccxt==4.5.90" if theirs else "none: `make oracle` installs it",
    }
    if theirs:
        work["same_books"] = same(ours[0].best, theirs[0]["best"])
    rates = (*_rates(frames, ours, theirs), _whole_rate(frames, whole, theirs))
    figures = (*rates, *_times(frames, decided, theirs))
    return Findings(name="streams: frames to books and decisions", figures=figures, work=work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One pass to books: CPU seconds and best prices by venue."""

    seconds: dict[str, float]
    best: dict[str, Best]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One pass to decisions: nanoseconds of each frame, sorted, by wall and by CPU."""

    wall_ns: list[int]
    cpu_ns: list[int]
    cpu_seconds: float
    decisions: int
    opened: int


def _venues(frames: Frames) -> dict[str, VenueBooks]:
    """Make the books of all venues, Binance's in step with what it gave by request."""
    won = [Market(coin, "KRW") for coin in COINS]
    dollars = [Market(coin, STABLE) for coin in COINS]
    venues: dict[str, VenueBooks] = {
        "upbit": UpbitBooks([*won, Market(STABLE, "KRW")], depth=DEPTH, oldest=OLDEST),
        "bithumb": BithumbBooks(won, depth=DEPTH, oldest=OLDEST),
        "binance": BinanceBooks(dollars, depth=DEPTH, oldest=OLDEST),
    }
    for market in dollars:
        read = frames.snapshots[f"{market.base}{market.quote}"]
        venues["binance"].adopt(_book(market, read), asked=ASKED)
    return venues


def _book(market: Market, read: dict[str, Any]) -> Book:
    sides = [
        tuple(Level(Decimal(price), Decimal(size)) for price, size in read[name])
        for name in ("bids", "asks")
    ]
    return Book(
        venue="binance", market=market, bids=sides[0], asks=sides[1], venue_at=None,
        received_at=BEGAN, update_id=read["lastUpdateId"],
    )  # fmt: skip


def to_books(frames: Frames, *, reads_all: bool = False) -> Kept:
    """Take all frames; books are read as far as a keeper does by itself, or every level of them."""
    venues, seconds = _venues(frames), {}
    best: dict[str, Best] = {}
    for venue, books in venues.items():
        mine = frames.of(venue)
        gc.collect()
        began = time.thread_time()
        for frame in mine:
            state = books.take(frame, BEGAN)
            if reads_all and isinstance(state, Book):
                tuple(state.bids), tuple(state.asks)
        seconds[venue] = time.thread_time() - began
        best[venue] = {m.code: _best(k.state) for m, k in books.keepers.items()}
    return Kept(seconds=seconds, best=best)


def _best(state: State) -> tuple[Decimal, Decimal]:
    assert isinstance(state, Book), state
    return state.bids[0].price, state.asks[0].price


def same(ours: dict[str, Best], theirs: dict[str, Any]) -> bool:
    """Hold our last books against ccxt's, whose prices are floats."""
    mine = {
        v: {m: [float(p) for p in pair] for m, pair in best.items()} for v, best in ours.items()
    }
    assert mine == theirs, "the two do not show the same books"
    return True


def _boards() -> list[Board]:
    """Make a board between Binance and each Korean venue; USDT trades at Upbit."""
    terms = {
        asset: Terms(
            asset=asset,
            global_taker_fee=Decimal("0.001") if asset != STABLE else Decimal(0),
            korea_taker_fee=Decimal("0.0005"),
            global_withdraw_fee=Decimal("0.01"),
            korea_withdraw_fee=Decimal("0.01"),
        )
        for asset in (*COINS, STABLE)
    }
    return [
        Board(
            terms, world="binance", korea=korea, size_usdt=SIZE, krw_per_usd=Decimal(1400),
            oldest=OLDEST,
        )
        for korea in ("upbit", "bithumb")
    ]  # fmt: skip


LIMITS = Limits(
    rule="LOCKED_EDGE",
    sizing="FIXED_AMOUNT",
    notional_usdt=SIZE,
    percentage=Decimal(10),
    max_open=6,
    max_open_per_asset=3,
    max_exposure_usdt=Decimal(60000),
    max_exposure_per_asset_usdt=Decimal(40000),
    allowed_assets=frozenset((*COINS, STABLE)),
    min_open_edge_bps=Decimal(10),
    min_rebalance_edge_bps=Decimal(0),
    band_open_premium_bps=Decimal(300),
    daily_loss_limit_usdt=Decimal(1000),
)
NOTHING_OUT = Exposure(
    open_cycles=0, open_by_asset={}, usdt=Decimal(0), usdt_by_asset={}, free_usdt=SIZE,
    pnl_today_usdt=Decimal(0),
)  # fmt: skip


def _decide(boards: Sequence[Board], state: Book) -> Decision | None:
    """Weigh one book on every board it belongs to, and decide there."""
    decided = None
    for board in boards:
        if state.venue in {board.world, board.korea}:
            board.take(state)
            quotes = board.quotes(BEGAN)
            decided = opening_decision(
                quotes, LIMITS, NOTHING_OUT, paused=frozenset(), paused_back=frozenset()
            )
    return decided


def _to_decisions(frames: Frames) -> Decided:
    venues, boards = _venues(frames), _boards()
    for keeper in venues["binance"].keepers.values():
        assert isinstance(keeper.state, Book)
        _decide(boards, keeper.state)
    wall, cpu, opened = [], [], 0
    gc.collect()
    began = time.thread_time()
    for venue, frame in frames.frames:
        cpu_began, wall_began = time.thread_time_ns(), time.perf_counter_ns()
        state = venues[venue].take(frame, BEGAN)
        decided = _decide(boards, state) if isinstance(state, Book) else None
        wall.append(time.perf_counter_ns() - wall_began)
        cpu.append(time.thread_time_ns() - cpu_began)
        opened += decided is not None and decided.opens
    return Decided(
        wall_ns=sorted(wall),
        cpu_ns=sorted(cpu),
        cpu_seconds=time.thread_time() - began,
        decisions=len(wall),
        opened=opened,
    )


def by_ccxt(frames: Frames, repeats: int) -> list[dict[str, Any]]:
    """Let ccxt pro handle the same frames in its own virtual environment, if it is there."""
    try:
        client = Client("ccxt_books.py")
    except MissingOracleError as error:
        print(f"streaming: no reference, {error}", file=sys.stderr)
        return []
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frames.jsonl"
            frames.write(path)
            return [client.ask(path=str(path)) for _ in range(repeats)]
    finally:
        client.close()


def _rates(frames: Frames, ours: list[Kept], theirs: list[dict[str, Any]]) -> list[Figure]:
    """Give frames a second to a book, of all venues together and of each."""
    figures = []
    for venue in ("all", "upbit", "bithumb", "binance"):
        number = len(frames.frames) if venue == "all" else len(frames.of(venue))
        figures.append(
            Figure(
                what=f"{'three venues' if venue == 'all' else venue}: frames to a book",
                value=number / median(_seconds(one.seconds, venue) for one in ours),
                unit="1/s of CPU",
                reference=CCXT if theirs else "",
                reference_value=_theirs(theirs, venue, number),
                aim="ratio >= 5" if venue == "all" else "",
            )
        )
    return figures


def _whole_rate(frames: Frames, whole: list[Kept], theirs: list[dict[str, Any]]) -> Figure:
    number = len(frames.frames)
    return Figure(
        what="three venues: frames to a book, every level read",
        value=number / median(_seconds(one.seconds, "all") for one in whole),
        unit="1/s of CPU",
        reference=CCXT if theirs else "",
        reference_value=_theirs(theirs, "all", number),
    )


def _theirs(theirs: list[dict[str, Any]], venue: str, number: int) -> float | None:
    return number / median(_seconds(one["seconds"], venue) for one in theirs) if theirs else None


def _seconds(by_venue: dict[str, float], venue: str) -> float:
    return sum(by_venue.values()) if venue == "all" else by_venue[venue]


def _times(frames: Frames, decided: list[Decided], theirs: list[dict[str, Any]]) -> list[Figure]:
    number = len(frames.frames)
    per_second = number / median(one.cpu_seconds for one in decided)
    figures = [
        Figure(
            what="three venues: frames to a decision", value=per_second, unit="1/s of CPU",
            reference=f"{CCXT}, to a book" if theirs else "",
            reference_value=_theirs(theirs, "all", number),
        )
    ]  # fmt: skip
    for share, aim in ((50, ""), (99, "<= 1")):
        for clock, times in (
            ("wall", [one.wall_ns for one in decided]),
            ("CPU", [one.cpu_ns for one in decided]),
        ):
            value = median(one[number * share // 100] for one in times) / 1e6
            what = f"bytes to the decision, p{share}, {clock}"
            figures.append(Figure(what=what, value=value, unit="ms", aim=aim))
    return figures
