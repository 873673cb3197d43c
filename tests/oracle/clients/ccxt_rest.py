"""ccxt over REST: carries out any unified or implicit call by name."""

from __future__ import annotations

from typing import Any

import ccxt
from ccxt_wiring import wired
from lines import serve

EXCHANGES: dict[str, Any] = {}


def answer(command: dict[str, Any]) -> Any:
    """Wire an exchange, or call one."""
    if "accounts" in command:
        for venue, account in command["accounts"].items():
            EXCHANGES[venue] = wired(
                ccxt, venue, account["base_url"], account["access_key"], account["secret_key"]
            )
            EXCHANGES[venue].number = str  # exact numbers instead of floats
            EXCHANGES[venue].enableRateLimit = command.get("paced", False)
        return ccxt.__version__
    call = getattr(EXCHANGES[command["venue"]], command["call"])
    return call(*command.get("args", []), **command.get("kwargs", {}))


if __name__ == "__main__":
    serve(answer)
