"""Recorded prices: bars, gaps, the path inside a bar, the generated rate, the shipped stretches."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.simulator.candles import SAMPLE, load_tape, stretches
from exchanges.simulator.core.books import Books
from exchanges.simulator.core.prices import Bar, Rate, Series, Tape
from tests.exchanges.simulator.speaking import Speaker, new_simulator, tape

HOUR = 3_600_000


def bar(*corners: int) -> Bar:
    return Bar(*(Decimal(corner) for corner in corners))


def small_tape(**series: Bar) -> Tape:
    made = {
        key: Series(start_ms=0, bar_ms=HOUR, bars=(value,))
        for key, value in zip([("upbit", "XRP"), ("binance", "XRP")], series.values(), strict=True)
    }
    rates = (Rate(quoted_ms=-5, krw_per_usd=Decimal(1400)),)
    return Tape(name="t", start_ms=0, end_ms=HOUR, assets=("XRP",), series=made, rates=rates)


def test_a_rising_bar_goes_to_its_low_first_and_then_to_its_high() -> None:
    made = small_tape(upbit=bar(100, 130, 90, 120), binance=bar(10, 13, 9, 12))
    third = HOUR // 3
    path = [made.price("binance", "XRP", at) for at in (0, third, 2 * third, HOUR - 1)]
    assert path[:3] == [10, 9, 13]
    assert abs(path[3] - 12) < Decimal("0.01")


def test_both_venues_take_the_order_of_the_global_venues_bar() -> None:
    falls_in_korea = small_tape(upbit=bar(100, 130, 90, 99), binance=bar(10, 13, 9, 12))
    assert falls_in_korea.price("upbit", "XRP", HOUR // 3) == 90


def test_the_stretch_starts_again_after_its_end() -> None:
    made = small_tape(upbit=bar(100, 130, 90, 120), binance=bar(10, 13, 9, 12))
    assert made.price("upbit", "XRP", HOUR + 7) == made.price("upbit", "XRP", 7)


def test_the_generated_usdt_rate_makes_the_median_assets_premium_zero() -> None:
    made = tape()
    assert not made.has_recorded("upbit", "USDT")
    at_ms = 40 * 60_000
    rate = made.krw_per_usdt(at_ms)
    premia = sorted(
        made.price("upbit", a, at_ms) / (made.price("binance", a, at_ms) * rate) - 1
        for a in made.assets
    )
    assert abs(premia[1] + premia[2]) < Decimal("0.0001")


def test_the_calm_stretch_replays_a_recorded_usdt_price() -> None:
    assert tape("calm-2025-09").has_recorded("upbit", "USDT")


def spread_bps(made: Tape, at_ms: int) -> Decimal:
    ratios = [made.price("upbit", a, at_ms) / made.price("binance", a, at_ms) for a in made.assets]
    return (max(ratios) / min(ratios) - 1) * 10000


def test_premia_of_the_crash_lie_further_apart_than_a_cycle_costs() -> None:
    made = tape()
    edges = range(0, 6 * HOUR // 2, HOUR // 2)
    assert [spread_bps(made, at) > 95 for at in edges] == [True] * 6
    calm = tape("calm-2025-09")
    assert max(spread_bps(calm, at) for at in range(0, 24 * HOUR, HOUR)) < 40


@pytest.mark.parametrize(
    ("name", "first", "last"), [("band-2024-03", 1100, 600), ("band-2025-02", 740, 480)]
)
def test_the_premium_of_a_band_stretch_falls_from_high_to_low(
    name: str, first: int, last: int
) -> None:
    made = tape(name)

    def premium(at_ms: int) -> Decimal:
        korea = made.price("upbit", "XRP", at_ms)
        abroad = made.price("binance", "XRP", at_ms) * made.official(at_ms)[0]
        return (korea / abroad - 1) * 10000

    length = made.end_ms - made.start_ms
    assert premium(3 * HOUR) > first
    assert premium(length - HOUR) < last


def test_every_shipped_stretch_loads_and_the_sample_is_small() -> None:
    for name in stretches():
        made = load_tape(name)
        assert made.description
        assert made.generated
        assert len(made.series) == 2 * len(made.assets) + made.has_recorded("upbit", "USDT")
    size = sum(path.stat().st_size for path in SAMPLE.iterdir())
    assert size < 2_000_000


def write(folder: Path, name: str, rows: list[str], *, packed: bool = False) -> None:
    text = "\n".join(["ts,open,high,low,close,volume", *rows]) + "\n"
    if packed:
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / f"{name}.csv").write_text(text)


def own_data(folder: Path) -> Path:
    write(folder, "binance_XRPUSDT_1h", [f"2024-05-01T0{h}:00:00Z,1,1,1,1,9" for h in range(4)])
    rows = ["2024-05-01T00:00:00Z,1400,1400,1400,1410,9", "2024-05-01T03:00:00Z,1430,1,1,1430,9"]
    write(folder, "upbit_KRW-XRP_1h", rows, packed=True)
    (folder / "usdkrw_daily.csv").write_text("ts,usdkrw\n2024-04-30T12:10:00Z,1390.5\n")
    return folder


def test_any_folder_of_candles_can_be_replayed_by_its_dates(tmp_path: Path) -> None:
    made = load_tape("2024-05-01T00:00:00+00:00..2024-05-01T04:00:00+00:00@1h", own_data(tmp_path))
    assert made.assets == ("XRP",)
    assert made.official(0) == (Decimal("1390.5"), (11 * 60 + 50) * 60_000)


def test_where_the_venue_wrote_no_bar_the_last_price_stands(tmp_path: Path) -> None:
    made = load_tape("2024-05-01T00:00:00+00:00..2024-05-01T04:00:00+00:00@1h", own_data(tmp_path))
    assert made.price("upbit", "XRP", HOUR + HOUR // 2) == 1410
    assert made.price("upbit", "XRP", 3 * HOUR) == 1430


def test_an_unknown_stretch_and_a_folder_without_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="crash-2024-12-03"):
        load_tape("nope")
    with pytest.raises(LookupError, match=r"no upbit_KRW-XRP_30m\.csv"):
        load_tape("crash-2024-12-03", tmp_path)


def test_generated_prices_and_depth_are_labelled_where_they_are_shown() -> None:
    rows = Speaker(new_simulator()).control("GET", "/control/markets").body
    labels = {(row["venue"], row["symbol"]): row["price_generated"] for row in rows["markets"]}
    assert labels["upbit", "KRW-USDT"] is True
    assert labels["upbit", "KRW-XRP"] is False
    assert labels["bithumb", "KRW-XRP"] is True
    assert all(row["depth"]["generated"] for row in rows["markets"])
    calm = Speaker(new_simulator(stretch="calm-2025-09")).control("GET", "/control/markets").body
    assert {row["venue"] for row in calm["markets"] if row["price_generated"]} == {"bithumb"}


def test_bithumbs_prices_lie_near_upbits_and_differ_by_seed_and_hour() -> None:
    made = tape()
    shares = {
        books.price(made, "bithumb", "XRP", at) / made.price("upbit", "XRP", at) - 1
        for books in (Books(1), Books(2))
        for at in range(0, 3 * HOUR, HOUR // 2)
    }
    assert len(shares) == 12
    assert max(abs(share) for share in shares) <= Decimal("0.0015")
    step = Books(1).price(made, "bithumb", "XRP", 1000) / Books(1).price(made, "bithumb", "XRP", 0)
    assert abs(step - made.price("upbit", "XRP", 1000) / made.price("upbit", "XRP", 0)) < Decimal(
        "0.00001"
    )


def test_bithumbs_recorded_prices_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = own_data(tmp_path)
    write(folder, "bithumb_KRW-XRP_1h", ["2024-05-01T00:00:00Z,1405,1405,1405,1405,9"])
    made = load_tape("2024-05-01T00:00:00+00:00..2024-05-01T04:00:00+00:00@1h", folder)
    assert Books(1).price(made, "bithumb", "XRP", HOUR) == 1405
    assert made.assets == ("XRP",)


def test_the_official_rate_is_served_in_two_shapes_and_re_dated() -> None:
    speaker = Speaker(new_simulator())
    first = speaker.control("GET", "/fx/usdkrw").body
    second = speaker.control("GET", "/fx/v6/latest/USD").body
    assert Decimal(first["rate"]) == second["rates"]["KRW"]
    age_seconds = speaker.wall_ms // 1000 - second["time_last_update_unix"]
    # 50 minutes before the stretch begins, at sixty times the speed.
    assert age_seconds == pytest.approx(50, abs=2)
