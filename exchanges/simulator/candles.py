"""Reads recorded candles and rates: the shipped sample, or any folder of CSV files alike.

Files are named `upbit_KRW-XRP_30m.csv.gz`, `binance_XRPUSDT_30m.csv.gz` and `usdkrw_daily.csv.gz`
(or plain `.csv`), and `bithumb_KRW-XRP_30m.csv.gz` where Bithumb was recorded too; candles have `ts,open,high,low,close`, rates `ts,usdkrw`. A folder may bring its
own `stretches.json`; otherwise the shipped names are used, or `START..END@BAR` picks a window.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from exchanges.simulator.core.prices import USDT, Bar, Rate, Series, Tape
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT
from exchanges.simulator.reels import RECORDING, has_recording, load_reel

SAMPLE = Path(__file__).parent / "sample"
DEFAULT_STRETCH = "crash-2024-12-03"
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
# How far back a rate may have been quoted before the stretch begins (holidays).
_RATE_LEAD = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A named window of recorded data."""

    name: str
    start: datetime
    end: datetime
    bar: str
    usdt_bar: str
    assets: tuple[str, ...]
    description: str
    recorded: str
    generated: str


def default_stretch(folder: Path) -> str:
    """Give what is played if nothing is asked for: the folder's recording, if it has one."""
    return RECORDING if has_recording(folder) else DEFAULT_STRETCH


def stretches(folder: Path = SAMPLE) -> dict[str, Stretch]:
    """List the named stretches of a folder, or the shipped ones if it names none."""
    path = folder / "stretches.json"
    if not path.exists():
        path = SAMPLE / "stretches.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {row["name"]: _stretch(row) for row in rows}


def _stretch(row: Mapping[str, str | list[str]]) -> Stretch:
    texts = {key: str(value) for key, value in row.items()}
    return Stretch(
        name=texts["name"],
        start=_instant(texts["start"]),
        end=_instant(texts["end"]),
        bar=texts["bar"],
        usdt_bar=texts.get("usdt_bar", ""),
        assets=tuple(row["assets"]),
        description=texts["description"],
        recorded=texts["recorded"],
        generated=texts["generated"],
    )


def load_tape(name: str = DEFAULT_STRETCH, folder: Path = SAMPLE) -> Tape:
    """Load a stretch, or a recording; raise LookupError with the known names, or what has no data."""
    if name.partition(":")[0] == RECORDING:
        return load_reel(folder, name)
    stretch = stretches(folder).get(name) or _window(name, folder)
    series = {}
    for asset in stretch.assets:
        series[UPBIT, asset] = _series(folder, f"upbit_KRW-{asset}", stretch.bar, stretch)
        series[BINANCE, asset] = _series(folder, f"binance_{asset}USDT", stretch.bar, stretch)
        series |= _if_recorded(folder, BITHUMB, asset, stretch.bar, stretch)
    if stretch.usdt_bar:
        series |= _if_recorded(folder, BITHUMB, USDT, stretch.usdt_bar, stretch)
        series[UPBIT, USDT] = _series(folder, "upbit_KRW-USDT", stretch.usdt_bar, stretch)
    return Tape(
        name=stretch.name,
        start_ms=_ms(stretch.start),
        end_ms=_ms(stretch.end),
        assets=stretch.assets,
        series=series,
        rates=_rates(folder, stretch),
        description=stretch.description,
        recorded=stretch.recorded,
        generated=stretch.generated,
    )


def _if_recorded(
    folder: Path, venue: str, asset: str, bar: str, stretch: Stretch
) -> dict[tuple[str, str], Series]:
    stem = f"{venue}_KRW-{asset}"
    if _path(folder, f"{stem}_{bar}") is None:
        return {}
    return {(venue, asset): _series(folder, stem, bar, stretch)}


def _path(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}.csv.gz", folder / f"{stem}.csv")
    return next((path for path in paths if path.exists()), None)


def _window(name: str, folder: Path) -> Stretch:
    span, _, bar = name.partition("@")
    start, _, end = span.partition("..")
    if not (bar and end):
        known = ", ".join(stretches(folder))
        raise LookupError(f"no stretch {name!r}; known: {known}; or START..END@BAR")
    found = sorted(path.name for path in folder.glob(f"upbit_KRW-*_{bar}.csv*"))
    assets = tuple(text.split("-")[1].split("_")[0] for text in found)
    return Stretch(
        name=name,
        start=_instant(start),
        end=_instant(end),
        bar=bar,
        usdt_bar=bar if USDT in assets else "",
        assets=tuple(asset for asset in assets if asset != USDT),
        description="a window chosen by its dates",
        recorded="candles as found in the folder, official USD/KRW",
        generated="order book depth; Bithumb's prices where the folder has none",
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00")


def _ms(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000


def _bar_ms(bar: str) -> int:
    return int(bar[:-1]) * _UNITS_MS[bar[-1]]


def _rows(folder: Path, stem: str) -> Iterator[dict[str, str]]:
    path = _path(folder, stem)
    if path is None:
        raise LookupError(f"no {stem}.csv or {stem}.csv.gz in {folder}")
    text = path.read_bytes()
    content = gzip.decompress(text) if path.suffix == ".gz" else text
    yield from csv.DictReader(content.decode("utf-8").splitlines())


def _series(folder: Path, stem: str, bar: str, stretch: Stretch) -> Series:
    bar_ms, first_ms, end_ms = _bar_ms(bar), _ms(stretch.start), _ms(stretch.end)
    first_ms -= first_ms % bar_ms
    known: dict[int, Bar] = {}
    for row in _rows(folder, f"{stem}_{bar}"):
        at_ms = _ms(_instant(row["ts"]))
        if first_ms <= at_ms < end_ms:
            corners = (Decimal(row[name]) for name in ("open", "high", "low", "close"))
            known[at_ms] = Bar(*corners)
    if not known:
        raise LookupError(f"{stem}_{bar} has no bars within {stretch.name}")
    return Series(start_ms=first_ms, bar_ms=bar_ms, bars=_unbroken(known, first_ms, end_ms, bar_ms))


def _unbroken(known: Mapping[int, Bar], first_ms: int, end_ms: int, bar_ms: int) -> tuple[Bar, ...]:
    """Let the last price stand where the venue wrote no bar."""
    opening = known[min(known)].open
    bars: list[Bar] = []
    for at_ms in range(first_ms, end_ms, bar_ms):
        last = bars[-1].close if bars else opening
        bars.append(known.get(at_ms) or Bar(last, last, last, last))
    return tuple(bars)


def _rates(folder: Path, stretch: Stretch) -> tuple[Rate, ...]:
    first_ms = _ms(stretch.start - _RATE_LEAD)
    rates = [
        Rate(quoted_ms=_ms(_instant(row["ts"])), krw_per_usd=Decimal(row["usdkrw"]))
        for row in _rows(folder, "usdkrw_daily")
    ]
    kept = tuple(rate for rate in rates if first_ms <= rate.quoted_ms < _ms(stretch.end))
    if not kept:
        raise LookupError(f"usdkrw_daily has no rate for {stretch.name}")
    return kept
