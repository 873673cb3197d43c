"""procrastinate's no-op jobs, worked by its own async worker: runs inside .venv-others, so it imports nothing of the product's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from procrastinate import App, PsycopgConnector

from tests.benchmarks.children import answer


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Defer this process's share of the jobs; working until none is left is the measured part."""
    runner = asyncio.Runner()
    app = App(connector=PsycopgConnector(conninfo=spec["url"]))

    @app.task
    async def nothing() -> None:
        pass

    async def defer() -> None:
        await app.open_async()
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        if spec["units"]:
            await nothing.batch_defer_async(*[{}] * spec["units"])

    async def work() -> dict[str, Any]:
        began = time.perf_counter()
        await app.run_worker_async(concurrency=spec["at_once"], wait=False)
        seconds = time.perf_counter() - began
        await app.close_async()
        return {"seconds": seconds, "version": version("procrastinate")}

    runner.run(defer())
    return lambda: runner.run(work())


if __name__ == "__main__":
    answer(prepare)
