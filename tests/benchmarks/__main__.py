"""`python -m tests.benchmarks`: run the benchmarks, print their table, write their JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from kimp.documents.measured import KEPT, LARGE
from tests.benchmarks.findings import PROJECT, Findings, document, table, write

SIZES: dict[str, dict[str, Any]] = {
    "simulator_core": {"orders": 5000, "rounds": 5},
    "simulator_http": {"orders": 2000, "rounds": 3},
    "streaming": {"rounds": 100, "repeats": 5},
    "durable": {"cycles": 40, "rounds": 3},
    "in_flight": {"cycles": 400, "rounds": 3},
    "others": {"cycles": 300, "jobs": 3000, "workflows": 600, "rounds": 3},
    "waking": {"cycles": 60, "idle_seconds": 120, "rested": 25, "settle_seconds": 5},
    "takeover": {"cycles": 500, "workers": 5, "lease_seconds": 10},
    "growth": {
        "sizes": (10_000, 300_000),
        "future": 50_000,
        "samples": (1_000, 300_000),
        "whole": (500, 20_000),
        "seconds": 60,
    },
    "step_growth": {"sizes": (1_000, 50_000)},
    "grouping": {"cycles": 800, "sizes": (1, 8, 50)},
    "connecting": {"connections": 20},
    "retention": {"sizes": (30_000, 300_000)},
    "redriving": {"dead": 100_000, "seconds": 8, "rounds": 3},
    "whole_cycle": {"cycles": 5},
    "feeding": {"ticks": 30},
    "budgets": {"calls": 200, "rounds": 3, "takes": 1000},
}
QUICK: dict[str, dict[str, Any]] = {
    "simulator_core": {"orders": 300, "rounds": 2},
    "simulator_http": {"orders": 100, "rounds": 1},
    "streaming": {"rounds": 3, "repeats": 1},
    "durable": {"cycles": 4, "rounds": 1},
    "in_flight": {"cycles": 20},
    "others": {"cycles": 20, "jobs": 40, "workflows": 20, "rounds": 1},
    "waking": {"cycles": 3, "idle_seconds": 1, "rested": 0, "settle_seconds": 1},
    "takeover": {"cycles": 4, "workers": 1, "lease_seconds": 3},
    "growth": {
        "sizes": (3_000, 12_000),
        "future": 2_000,
        "samples": (100, 5_000),
        "whole": (100, 900),
        "seconds": 1,
    },
    "step_growth": {"sizes": (300, 2_000)},
    "grouping": {"cycles": 10, "sizes": (1, 5)},
    "connecting": {"connections": 2},
    "retention": {"sizes": (3_000, 12_000)},
    "redriving": {"dead": 50, "seconds": 0, "rounds": 2},
    "whole_cycle": {"cycles": 3},
    "feeding": {"ticks": 3},
    "budgets": {"calls": 20, "rounds": 1, "takes": 20},
}
WITHOUT_DATABASE = {"simulator_core", "simulator_http", "streaming"}


def main(arguments: Sequence[str]) -> None:
    """Run what was asked for; JSON goes to `.kimp/bench.json` unless a path is given."""
    options = asked(arguments)
    # Ended from outside, its children and its database go too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("KIMP_LOG_LEVEL", "WARNING")
    django.setup()
    sizes = grown(QUICK if options.quick else SIZES, options)
    sizes["retention"]["is_ours_only"] = options.ours
    found, server = run([name for name in sizes if name in (options.names or sizes)], sizes)
    print(table(found.values()))
    facts: dict[str, Any] = server | {"is_quick": options.quick}
    told = _sizes_told(options)
    write(options.json, document(found.values(), **facts, arguments=[*found, *told]))
    print(f"\nwritten to {options.json}", file=sys.stderr)
    if options.keep or options.keep_large:
        # All of them before the first is written: each tells whether the tree was as it was committed.
        kept = {
            KEPT / f"{LARGE[name] if options.keep_large else name}.json": document(
                [one], **facts, arguments=[name, *told]
            )
            for name, one in found.items()
        }
        for path, content in kept.items():
            write(path, content)
        print(f"kept in {KEPT}: `manage.py document` writes the tables anew", file=sys.stderr)


def _sizes_told(options: argparse.Namespace) -> list[str]:
    """Give what was asked for beyond names, as anybody would write it: no place of this machine."""
    told = {
        "--rows": options.rows,
        "--small-rows": options.small_rows,
        "--seconds": options.seconds,
    }
    sizes = [
        word for name, value in told.items() if value is not None for word in (name, str(value))
    ]
    return [*sizes, *(["--ours"] if options.ours else [])]


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what it does not know ends the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SIZES)}; all of them if none")
    parser.add_argument("--json", type=Path, default=PROJECT / ".kimp" / "bench.json")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works")
    parser.add_argument(
        "--rows", type=int, metavar="N",
        help="how large the large tables of growth (a tenth of it on the way) and retention are, how many dead letters go on",
    )  # fmt: skip
    parser.add_argument(
        "--small-rows", type=int, metavar="N",
        help="how large the small ones of growth and retention are, which the large are held against",
    )  # fmt: skip
    parser.add_argument(
        "--ours", action="store_true", help="of retention only what the product itself does"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep what was found for the documents, docs/measured"
    )  # fmt: skip
    parser.add_argument(
        "--keep-large", action="store_true", help=f"the same, beside what is kept of the usual size: of {', '.join(LARGE)}"
    )  # fmt: skip
    parser.add_argument("--seconds", type=int, help="how long growth holds an old snapshot")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(SIZES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if (options.keep or options.keep_large) and options.quick:
        parser.error("tiny sizes are no figures for the documents: --keep without --quick")
    if options.keep_large and (set(options.names) or set(SIZES)) - set(LARGE):
        parser.error(f"--keep-large is for {', '.join(LARGE)}; name nothing else")
    return options


def grown(
    sizes: dict[str, dict[str, Any]], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Make the tables as large, and the snapshot as old, as was asked for."""
    found = {name: dict(facts) for name, facts in sizes.items()}
    rows, small = options.rows, options.small_rows
    if small is not None:
        for name in ("growth", "retention"):
            found[name]["sizes"] = (small, *found[name]["sizes"][1:])
    if rows is not None:
        found["growth"]["sizes"] = _on_the_way(found["growth"], rows)
        first = found["retention"]["sizes"][0]
        found["retention"]["sizes"] = (small or max(first, rows // 100), rows)
        found["redriving"]["dead"] = rows
    if options.seconds is not None:
        found["growth"]["seconds"] = options.seconds
    return found


def _on_the_way(growth: dict[str, Any], rows: int) -> tuple[int, ...]:
    """Give the sizes up to so many rows: a tenth of them too, where that is more than stands there before."""
    first = growth["sizes"][0]
    there = first + growth["future"] + growth["whole"][1]
    return (first, *(size for size in (rows // 10,) if size > there), rows)


def run(
    names: Sequence[str], sizes: dict[str, dict[str, Any]]
) -> tuple[dict[str, Findings], dict[str, Any]]:
    """Run benchmarks in order; those that need a database share one, emptied in between.

    Gives what each found, and the server's version and settings.
    """
    found = {name: _one(name, sizes)() for name in names if name in WITHOUT_DATABASE}
    rest = [name for name in names if name not in WITHOUT_DATABASE]
    if not rest:
        return found, {"server": "not used"}
    place, doing = (import_module(f"tests.benchmarks.{name}") for name in ("place", "doing"))
    with place.database() as server:
        for name in rest:
            place.empty()
            found[name] = doing.told(_one(name, sizes))
        return found, {"server": server, "settings": doing.settings()}


def _one(name: str, sizes: dict[str, dict[str, Any]]) -> Callable[[], Findings]:
    print(f"{name} ...", file=sys.stderr, flush=True)
    work: Callable[..., Findings] = import_module(f"tests.benchmarks.{name}").run
    return partial(work, **sizes[name])


if __name__ == "__main__":
    main(sys.argv[1:])
