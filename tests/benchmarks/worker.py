"""One worker process of a benchmark; Django must be set up before anything else is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import django

from tests.benchmarks.children import answer


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Prepare what the spec's module measures."""
    made: Callable[[], dict[str, Any]] = import_module(spec["module"]).prepare(spec)
    return made


if __name__ == "__main__":
    django.setup()
    answer(prepare)
