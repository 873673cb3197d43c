"""One worker process of a benchmark; Django must be set up before anything else is imported."""

from __future__ import annotations

from importlib import import_module

import django

from tests.benchmarks.children import answer

if __name__ == "__main__":
    django.setup()
    answer(import_module("tests.benchmarks.driving").prepare)
