"""Upbit's official SDK: carries out any call by its dotted name, `orders.create`.

Replies of the account are checked against the SDK's own models. Quotations are not: the venue sends
JSON numbers where those models say text.
"""

from __future__ import annotations

from typing import Any

from lines import serve
from upbit import Upbit
from upbit._version import __version__

CLIENTS: dict[str, Upbit] = {}


def answer(command: dict[str, Any]) -> Any:
    """Wire the client, or call it."""
    if "accounts" in command:
        account = command["accounts"]["upbit"]
        for name, is_strict in (("strict", True), ("lenient", False)):
            CLIENTS[name] = Upbit(
                access_key=account["access_key"],
                secret_key=account["secret_key"],
                base_url=account["base_url"],
                max_retries=0,
                _strict_response_validation=is_strict,
            )
        return __version__
    called: Any = CLIENTS["lenient" if command.get("lenient") else "strict"]
    for part in command["call"].split("."):
        called = getattr(called, part)
    return called(**command.get("kwargs", {}))


if __name__ == "__main__":
    serve(answer)
