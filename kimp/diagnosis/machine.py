"""What a machine needs for the desk; nothing is started or changed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from cycles.diagnosis.findings import Finding, amiss, doubtful, well
from kimp import desk
from kimp.environment import SettingsError

_MINIMUM_FREE_MEGABYTES = 500


def of_machine() -> Iterator[Finding]:
    """Look at Python, the desk's folder and what else the machine lends."""
    yield _python()
    yield _home(settings.KIMP_HOME)
    yield _browser()


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return well("python", version)


def _home(home: Path) -> Finding:
    parent = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(parent).free // 1_000_000
    told = f"{home}, {free} MB free"
    if not os.access(parent, os.W_OK):
        return amiss(
            "KIMP_HOME", f"{told}, not writable", f"make {parent} writable, or set KIMP_HOME"
        )
    if free < _MINIMUM_FREE_MEGABYTES:
        return amiss("KIMP_HOME", told, f"free {_MINIMUM_FREE_MEGABYTES} MB there")
    return well("KIMP_HOME", told)


def _browser() -> Finding:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    return well("chromium", path or "not here; only browser tests want it")


def of_ports(*, desk_runs: bool) -> Iterator[Finding]:
    """Say whether `make up` would find its ports free; where the desk runs, they are its own."""
    try:
        plans = desk.plans({})
    except SettingsError as error:
        yield amiss("roles", "; ".join(error.problems), "mend the settings: manage.py config")
        return
    taken = desk.taken_ports(plans, desk.simulation_of_settings())
    if not taken:
        yield well("ports", "all free")
    elif desk_runs:
        yield well("ports", f"{len(taken)} in use, and the desk runs")
    else:
        yield doubtful("ports", " ".join(taken), "end what uses them before the desk starts here")
