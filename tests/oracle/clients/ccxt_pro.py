"""ccxt.pro over WebSockets: begins to watch on one command and tells what came on another."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from decimal import Decimal
from typing import Any

import ccxt.pro
from ccxt_wiring import wired
from lines import plain

ANSWER_SECONDS = 20
NUMBERS = {"bithumb": Decimal}  # exact as text is; its books negate prices, which text cannot


class Watcher:
    """One exchange a venue, and what is being watched, by a name the test gives."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Any] = {}
        self.watched: dict[str, asyncio.Task[Any]] = {}

    async def answer(self, command: dict[str, Any]) -> Any:
        """Wire exchanges, call one, begin to watch, tell what is waited for or known, or wait."""
        if "accounts" in command:
            await self.close()
            for venue, account in command["accounts"].items():
                keys = (account["base_url"], account["access_key"], account["secret_key"])
                self.exchanges[venue] = wired(ccxt.pro, venue, *keys)
                self.exchanges[venue].number = NUMBERS.get(venue, str)
            return ccxt.pro.__version__
        if "waiting" in command:
            clients = self.exchanges[command["waiting"]].clients.values()
            return sorted(name for client in clients for name in client.futures)
        if "cached" in command:
            return getattr(self.exchanges[command["venue"]], command["cached"])
        if "collect" in command:
            task = self.watched.pop(command["collect"])
            return await asyncio.wait_for(task, ANSWER_SECONDS)
        call = getattr(self.exchanges[command["venue"]], command["call"])
        coming = call(*command.get("args", []), **command.get("kwargs", {}))
        if "watch" in command:
            self.watched[command["watch"]] = asyncio.create_task(coming)
            return None
        return await asyncio.wait_for(coming, ANSWER_SECONDS)

    async def close(self) -> None:
        """End every exchange; what still waits is cancelled."""
        for task in self.watched.values():
            task.cancel()
        await asyncio.gather(*self.watched.values(), return_exceptions=True)
        self.watched.clear()
        for exchange in self.exchanges.values():
            await exchange.close()
        self.exchanges.clear()


async def serve() -> None:
    """Answer one JSON command a line until the input ends."""
    watcher, out = Watcher(), sys.stdout
    sys.stdout = sys.stderr
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            told = {"value": await watcher.answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001  the test judges it
            traceback.print_exc()
            told = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(told, default=plain), file=out, flush=True)
    await watcher.close()


if __name__ == "__main__":
    asyncio.run(serve())
