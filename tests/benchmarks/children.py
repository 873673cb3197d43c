"""Child processes of a benchmark: set up with a spec, held at a line, let go together, asked what came.

The protocol is a line of JSON each way: the spec in, `"ready"` out, `"go"` in, the result out.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.benchmarks.findings import PROJECT

_END_SECONDS = 20


@dataclass(slots=True)
class Child:
    """One `python -m` process that speaks the protocol."""

    process: subprocess.Popen[str]

    @property
    def cpu_seconds(self) -> float | None:
        """Give the CPU it has used so far; None where the kernel does not tell (not Linux)."""
        try:
            told = Path(f"/proc/{self.process.pid}/stat").read_text("ascii")
        except OSError:
            return None
        user, system = told.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def say(self, content: object) -> None:
        """Write one line of JSON."""
        _pipe(self.process.stdin).write(json.dumps(content) + "\n")
        _pipe(self.process.stdin).flush()

    def hear(self) -> Any:
        """Read one line of JSON; a child that died says so by its silence."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"a child process ended early: {self.process.args!r}")
        return json.loads(line)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@contextlib.contextmanager
def running(
    arguments: Sequence[str], environment: Mapping[str, str], python: str = sys.executable
) -> Iterator[Child]:
    """Run a Python process for a block; its log goes nowhere, its end is waited for."""
    process = subprocess.Popen(
        [python, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield Child(process)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def together(
    module: str,
    specs: Sequence[Mapping[str, Any]],
    environment: Mapping[str, str],
    python: str = sys.executable,
) -> list[dict[str, Any]]:
    """Run one process of a module per spec, let them go at the same moment, give their results."""
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(running(["-m", module], environment, python)) for _ in specs
        ]
        for child, spec in zip(children, specs, strict=True):
            child.say(spec)
        for child in children:
            assert child.hear() == "ready"
        for child in children:
            child.say("go")
        return [child.hear() for child in children]


def answer(prepare: Callable[[dict[str, Any]], Callable[[], dict[str, Any]]]) -> None:
    """Be such a child: prepare with the spec, wait at the line, run, tell the result."""
    channel, sys.stdout = sys.stdout, sys.stderr  # whoever prints must not break the protocol

    def tell(content: object) -> None:
        channel.write(json.dumps(content) + "\n")
        channel.flush()

    spec = json.loads(sys.stdin.readline())
    work = prepare(spec)
    tell("ready")
    assert json.loads(sys.stdin.readline()) == "go"
    tell(work())


def family(pid: int) -> list[int]:
    """Give a process and those it has begun; none that has ended meanwhile."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in told for one in family(int(child)))]


def cpu_of(pid: int) -> float:
    """Give the CPU seconds that a process has used, with those of its children that have ended; 0 once it has."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
