"""What only Upbit quotes: cautions, tickers by quote currency, price steps."""

from __future__ import annotations

from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.quotation import asked, levels_of, listed, names, ticker_view
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World


def market_all(world: World, params: Params) -> Reply:
    """List the markets."""
    is_detailed = params.get("is_details") in {"true", "1"} or params.get("isDetails") == "true"
    event = {"market_event": {"warning": False, "caution": _CAUTION}} if is_detailed else {}
    return json_reply([{**names(world, market), **event} for market in listed(world, UPBIT)])


_CAUTION = {
    "PRICE_FLUCTUATIONS": False,
    "TRADING_VOLUME_SOARING": False,
    "DEPOSIT_AMOUNT_SOARING": False,
    "GLOBAL_PRICE_DIFFERENCES": False,
    "CONCENTRATION_OF_SMALL_ACCOUNTS": False,
}


def ticker_all(world: World, params: Params) -> Reply:
    """Return the tickers of all markets of the quote currencies."""
    quotes = params.many("quote_currencies") or ["KRW"]
    shown = [market for market in listed(world, UPBIT) if market.quote in quotes]
    return json_reply([ticker_view(world, market) for market in shown])


def instruments(world: World, params: Params) -> Reply:
    """Return each market's price step now."""
    rows = []
    for market in asked(world, params):
        step = world.price_step(market, world.book(market).price)
        rows.append(
            {
                "market": market.symbol,
                "quote_currency": market.quote,
                "tick_size": plain(step),
                "supported_levels": [plain(level) for level in levels_of(world, market)],
            }
        )
    return json_reply(rows)
