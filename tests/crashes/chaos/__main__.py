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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kimp.documents.measured import KEPT
from kimp.documents.storms import NAME
from tests.benchmarks.findings import machine, revision, write
from tests.crashes.chaos.table import table
from tests.kimp.processes import PROJECT

WHOLE = Path(__file__).with_name("whole.py")
REPORT = PROJECT / ".kimp" / "chaos.json"
KILLS_KEPT = 1000


def main(arguments: Sequence[str]) -> int:
    """Give pytest's status; 1 as well where a result that was to be kept is not."""
    asked = _asked(arguments)
    at = revision()  # before the tree may change
    if asked.keep and (why := objection(at, at)):
        print(why, file=sys.stderr)
        return 1
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
        if asked.logs:
            shutil.copytree(folder / "desk", asked.logs, dirs_exist_ok=True)
    if not asked.json.exists():
        return int(code)
    told = json.loads(asked.json.read_text("utf-8")) | _facts(asked, at)
    write(asked.json, told)
    print(table(told))
    print(f"written to {asked.json}; pytest ended with {int(code)}")
    return int(code) or (int(not keep(told)) if asked.keep else 0)


def _facts(asked: argparse.Namespace, at: str) -> dict[str, Any]:
    """Say of which code a result tells, and how anybody gets one like it."""
    sizes = ("seed", "cycles", "kills", "seconds", "most")
    given = {name: getattr(asked, name) for name in sizes}
    told = ((name, n) for name, n in given.items() if n != _parser().get_default(name))
    return {
        "arguments": [
            word
            for name, n in told
            for word in (f"--{name}", f"{n:g}" if isinstance(n, float) else str(n))
        ],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "python": sys.version.split()[0],
        "revision": at,
        "revision at the end": revision(),
    }


def objection(at: str, ended_at: str) -> str:
    """Say why a result is of no revision that others have; empty where it is of one."""
    if at.endswith("+") or at == "unknown":
        return f"nothing is kept of {at}: commit first, nobody else has what it would tell of"
    if ended_at != at:
        return f"nothing is kept: it began at {at} and ended at {ended_at}, a mixture of both"
    return ""


def keep(told: dict[str, Any], folder: Path = KEPT) -> bool:
    """Keep a result for the documents, if it is of one revision and all that it claims holds."""
    why = objection(told["revision"], told["revision at the end"])
    failed = [name for name, claim in told["claims"].items() if not claim["holds"]]
    if failed:
        why = f"nothing is kept: {', '.join(failed)}"
    if not why:
        write(folder / f"{NAME}.json", told)
    told_so = why or f"kept in {folder}: `manage.py document` writes the table anew"
    print(told_so, file=sys.stderr)
    return not why


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cycles", type=int, default=500, help="how many to open")
    parser.add_argument("--kills", type=int, default=250, help="at least so many")
    parser.add_argument("--seconds", type=float, default=300.0, help="at least so long")
    parser.add_argument("--most", type=float, default=7200.0, help="seconds after which it calms")
    parser.add_argument("--json", type=Path, default=REPORT)
    parser.add_argument("--logs", type=Path, help="where to copy the processes' logs")
    parser.add_argument(
        "--keep", action="store_true", help="keep the result for the documents, docs/measured"
    )
    return parser


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.keep and asked.kills < KILLS_KEPT:
        parser.error(f"a short storm is no figure for the documents: --kills {KILLS_KEPT} or more")
    return asked


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
