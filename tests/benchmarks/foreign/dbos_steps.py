"""DBOS' workflows of two no-op steps, run directly: runs inside .venv-others, so it imports nothing of the product's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from dbos import DBOS, DBOSConfig

from tests.benchmarks.children import answer


@DBOS.step()
def step() -> None:
    """Do nothing, durably."""


@DBOS.workflow()
def workflow() -> None:
    """Take both steps."""
    step()
    step()


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Launch DBOS, which makes its tables; running this process's share of the workflows is the measured part."""
    # Each process is an executor of its own: at its launch one goes on with what it had begun itself.
    executor = f"others-{os.getpid()}"
    config: DBOSConfig = {
        "name": "others",
        "system_database_url": spec["url"],
        "executor_id": executor,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()

    def work() -> dict[str, Any]:
        began = time.perf_counter()
        if spec["at_once"] == 1:
            for _ in range(spec["units"]):
                workflow()
        else:
            with ThreadPoolExecutor(spec["at_once"]) as pool:
                for done in [pool.submit(workflow) for _ in range(spec["units"])]:
                    done.result()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "version": version("dbos")}

    return work


if __name__ == "__main__":
    answer(prepare)
