"""Frames of a hundred markets at three venues, in the venues' documented forms, from a seed.

Books walk: now and then the price moves by a step, each frame changes a few sizes near the top. Upbit and
Bithumb send whole books of thirty levels, Binance numbered changes that follow a book read by request.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
BEGAN_MS = int(BEGAN.timestamp()) * 1000
COINS = tuple(f"C{number:02d}" for number in range(33))
STABLE = "USDT"
SHOWN = 30
KNOWN = 500
KRW_PER_USDT = 1400
Levels = dict[int, int]  # price in steps: size in millionths


@dataclass
class Walk:
    """One market's book, in whole steps."""

    venue: str
    asset: str
    price: int
    chance: random.Random
    bids: Levels = field(default_factory=dict)
    asks: Levels = field(default_factory=dict)
    number: int = 1000
    frames: int = 0

    def __post_init__(self) -> None:
        for depth in range(KNOWN):
            self.bids[self.price - depth] = self._size()
            self.asks[self.price + 1 + depth] = self._size()

    def _size(self) -> int:
        return self.chance.randrange(50_000, 900_000_000)

    def change(self) -> tuple[Levels, Levels]:
        """Let a few levels change; gives what did, zero for what is gone."""
        bids: Levels = {}
        asks: Levels = {}
        move = self.chance.choice((0, 0, 0, 1, -1))
        if move > 0:
            asks[self.price + 1] = 0
            bids[self.price + 1] = self._size()
        elif move < 0:
            bids[self.price] = 0
            asks[self.price] = self._size()
        self.price += move
        for side, top, way in ((bids, self.price, -1), (asks, self.price + 1, 1)):
            for _ in range(self.chance.randrange(2, 9)):
                side[top + way * int(self.chance.expovariate(0.15))] = self._size()
        for known, new in ((self.bids, bids), (self.asks, asks)):
            known.update(new)
            for price in [price for price, size in new.items() if not size]:
                del known[price]
        self.number += 1
        return bids, asks

    def top(self, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Give both sides, best first."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        return bids, sorted(self.asks.items())[:depth]


@dataclass
class Frames:
    """What the venues sent, in order, and the books that Binance gave by request."""

    frames: list[tuple[str, bytes]]
    snapshots: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Hash all of it."""
        found = hashlib.sha256()
        for _, frame in self.frames:
            found.update(frame)
        return found.hexdigest()[:16]

    def of(self, venue: str) -> list[bytes]:
        """Give the frames of one venue."""
        return [frame for at, frame in self.frames if at == venue]

    def write(self, path: Path) -> None:
        """Write a file that a client elsewhere can be fed from."""
        with path.open("w") as file:
            file.write(json.dumps({"snapshots": self.snapshots}) + "\n")
            for venue, frame in self.frames:
                file.write(json.dumps([venue, frame.decode()]) + "\n")


def made(rounds: int, seed: int = 7) -> Frames:
    """Make `rounds` frames of each of a hundred markets, the markets in another order each round."""
    chance = random.Random(seed)
    walks = list(_walks(chance))
    snapshots = {f"{w.asset}USDT": _snapshot(w) for w in walks if w.venue == "binance"}
    frames: list[tuple[str, bytes]] = []
    for _ in range(rounds):
        chance.shuffle(walks)
        for walk in walks:
            frames.append((walk.venue, _frame(walk, BEGAN_MS + len(frames))))
    return Frames(frames, snapshots)


def _walks(chance: random.Random) -> Iterator[Walk]:
    for number, coin in enumerate(COINS):
        usdt_cents = 50 * (number + 6) ** 2
        yield Walk("binance", coin, usdt_cents, chance)
        for venue in ("upbit", "bithumb"):
            yield Walk(venue, coin, usdt_cents * KRW_PER_USDT // 100, chance)
    yield Walk("upbit", STABLE, KRW_PER_USDT, chance)


def _snapshot(walk: Walk) -> dict[str, Any]:
    bids, asks = walk.top(KNOWN)
    rows = [[[_cents(price), _millionths(size)] for price, size in side] for side in (bids, asks)]
    return {"lastUpdateId": walk.number, "bids": rows[0], "asks": rows[1]}


def _frame(walk: Walk, at_ms: int) -> bytes:
    bids, asks = walk.change()
    walk.frames += 1
    if walk.venue == "binance":
        return _diff(walk, bids, asks, at_ms)
    top_bids, top_asks = walk.top(SHOWN)
    units = [
        {
            "ask_price": ask, "bid_price": bid,
            "ask_size": ask_size / 1_000_000, "bid_size": bid_size / 1_000_000,
        }
        for (bid, bid_size), (ask, ask_size) in zip(top_bids, top_asks, strict=True)
    ]  # fmt: skip
    frame = {
        "type": "orderbook",
        "code": f"KRW-{walk.asset}",
        "timestamp": at_ms if walk.venue == "upbit" else f"{at_ms}000",
        "total_ask_size": sum(size for _, size in top_asks) / 1_000_000,
        "total_bid_size": sum(size for _, size in top_bids) / 1_000_000,
        "orderbook_units": units,
        "stream_type": "SNAPSHOT" if walk.frames == 1 else "REALTIME",
        "level": 0 if walk.venue == "upbit" else 1,
    }
    return json.dumps(frame, separators=(",", ":")).encode()


def _diff(walk: Walk, bids: Levels, asks: Levels, at_ms: int) -> bytes:
    frame = {
        "e": "depthUpdate",
        "E": at_ms,
        "s": f"{walk.asset}USDT",
        "U": walk.number,
        "u": walk.number,
    }
    sides = {
        name: [[_cents(price), _millionths(size)] for price, size in side.items()]
        for name, side in (("b", bids), ("a", asks))
    }
    return json.dumps(frame | sides, separators=(",", ":")).encode()


def _cents(price: int) -> str:
    return f"{price // 100}.{price % 100:02d}000000"


def _millionths(size: int) -> str:
    return f"{size // 1_000_000}.{size % 1_000_000:06d}00"
