"""Let it storm over a desk, and print what held: `make chaos`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.findings import revision, write
from tests.crashes.chaos.table import table
from tests.kimp.processes import PROJECT

WHOLE = Path(__file__).with_name("whole.py")
REPORT = PROJECT / ".kimp" / "chaos.json"


def main(arguments: Sequence[str]) -> int:
    """Give pytest's status."""
    asked = _parser().parse_args(arguments)
    at = revision()  # before the tree may change
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its children and its server go too
    with tempfile.TemporaryDirectory(prefix="kimp-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # for the server's user, in root's run
        os.environ |= _environment(asked, folder)
        code = pytest.main(
            ["-q", "-s", "-p", "no:cacheprovider", f"--basetemp={folder / 'desk'}", str(WHOLE)]
        )
        if asked.keep:
            shutil.copytree(folder / "desk", asked.keep, dirs_exist_ok=True)
    if asked.json.exists():
        told = json.loads(asked.json.read_text("utf-8")) | {"revision": at}
        write(asked.json, told)
        print(table(told))
        print(f"written to {asked.json}; pytest ended with {int(code)}")
    return int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cycles", type=int, default=500, help="how many to open")
    parser.add_argument("--kills", type=int, default=250, help="at least so many")
    parser.add_argument("--seconds", type=float, default=300.0, help="at least so long")
    parser.add_argument("--most", type=float, default=7200.0, help="seconds after which it calms")
    parser.add_argument("--json", type=Path, default=REPORT)
    parser.add_argument("--keep", type=Path, help="where to copy the processes' logs")
    return parser


def _environment(asked: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Name a database server that nobody else uses, whatever the environment says."""
    script = {
        "seed": asked.seed,
        "cycles": asked.cycles,
        "kills": asked.kills,
        "seconds": asked.seconds,
        "most_seconds": asked.most,
        "naps": [0.2, 0.8],
        "kills_per_act": min(max(asked.kills // 40, 2), 24),
        "most": 150,
        "calm_seconds": 600.0,
    }
    return {
        "DATABASE_URL": "",
        "KIMP_LOG_LEVEL": "WARNING",
        "KIMP_HOME": str(folder / "home"),
        "CHAOS_SCRIPT": json.dumps(script),
        "CHAOS_FILE": str(asked.json),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
