"""Binance's official SDKs, spot and wallet: carries out any REST call by name."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import version
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.spot import Spot
from binance_sdk_wallet.wallet import Wallet
from lines import serve

APIS: dict[str, Any] = {}
NUMBERS = ("quantity", "price", "quote_order_qty", "amount")


def answer(command: dict[str, Any]) -> Any:
    """Wire the SDKs, or call one; numbers come as text and are given as Decimal."""
    if "accounts" in command:
        account = command["accounts"]["binance"]
        configuration = ConfigurationRestAPI(
            api_key=account["access_key"],
            api_secret=account["secret_key"],
            base_path=account["base_url"],
            retries=0,
            timeout=10_000,  # a second is short on a busy machine
        )
        APIS["spot"] = Spot(config_rest_api=configuration).rest_api
        APIS["wallet"] = Wallet(config_rest_api=configuration).rest_api
        return {name: version(f"binance-sdk-{name}") for name in APIS}
    kwargs = {
        name: Decimal(value) if name in NUMBERS else value
        for name, value in command.get("kwargs", {}).items()
    }
    return getattr(APIS[command["api"]], command["call"])(**kwargs).data()


if __name__ == "__main__":
    serve(answer)
