"""Makes a simulator durable: a snapshot of the world, and a log of inputs since it was taken.

The core is deterministic, so the log holds only the requests that changed something; each is
written before its reply is sent, which a SIGKILL survives. A snapshot names the log that follows
it by its generation, so that a crash between the two never replays an input twice. Fault rules are
not kept, but for those of the scenario, which count from nothing; nor are rate-limit counters and used nonces.

A snapshot begins with the shape of what was written: a world of other venues, or of classes with
other fields, is refused as a whole instead of being read wrongly.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, get_args, get_type_hints

from exchanges.simulator.core.genesis import adopt_tape
from exchanges.simulator.core.prices import Tape
from exchanges.simulator.core.scenarios import playing
from exchanges.simulator.core.simulator import Input, Simulator
from exchanges.simulator.core.values import VENUES
from exchanges.simulator.core.world import World

INPUTS_A_LOG = 5000
_MODE = 0o600
_LENGTH_BYTES = 4


class StateError(LookupError):
    """The state file was written by another version: its text says what to do."""


class LoadsTapes(Protocol):
    """Finds the tape of a stretch by the name it was recorded under."""

    def __call__(self, name: str, /) -> Tape:
        """Return the tape."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The world without its tape, and the generation of the log that follows."""

    generation: int
    stretch: str
    world: World


class StateFile:
    """The state of one simulator on disk; only one process may use it."""

    def __init__(
        self,
        path: Path,
        simulator: Simulator,
        load_tape: LoadsTapes,
        *,
        scenario: str | None = None,
    ) -> None:
        """Load what the file holds into the simulator, then record what it does.

        A world of another scenario than the one that is named goes on with that one.
        """
        self.path = path
        self.simulator = simulator
        self.generation = 0
        self.inputs = 0
        self.log = -1
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._load(load_tape)
            if scenario not in {None, simulator.world.play.scenario}:
                playing.adopt(simulator, str(scenario))
        self.save()
        simulator.recorder = self.record

    def _load(self, load_tape: LoadsTapes) -> None:
        simulator, tape = self.simulator, self.simulator.world.recording
        speed, wall_ms = simulator.world.timeline.speed, simulator.world.wall_ms
        content = self.path.read_bytes()
        if not content.startswith(shape()):
            raise StateError(
                f"the state in {self.path} was written by another version of the simulator: remove "
                "that file, and with it what the simulated accounts hold, or run that version"
            )
        snapshot = pickle.loads(content[len(shape()) :])  # noqa: S301  our own file, mode 0600
        self.generation = snapshot.generation
        world = simulator.world = snapshot.world
        # What is replayed must see the prices it saw at first.
        world.tape = tape if tape.name == snapshot.stretch else load_tape(snapshot.stretch)
        playing.take_up(simulator)
        for entry in _read_log(self._log_path(self.generation)):
            simulator.replay(entry)
        world = simulator.world
        simulator.advance_to(wall_ms)
        simulator.limiter.is_on = world.settings.has_limits
        if world.recording.name != tape.name:
            adopt_tape(world, tape)
        if world.timeline.speed != speed:
            simulator.change_speed(speed)

    def _log_path(self, generation: int) -> Path:
        return self.path.with_name(f"{self.path.name}.log.{generation}")

    def save(self) -> None:
        """Write a snapshot and start a new log."""
        old = self._log_path(self.generation)
        self.generation += 1
        world = self.simulator.world
        tape = world.recording
        world.tape = None
        try:
            content = shape() + pickle.dumps(Snapshot(self.generation, tape.name, world))
        finally:
            world.tape = tape
        log = os.open(self._log_path(self.generation), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        _replace(self.path, content)
        if self.log >= 0:
            os.close(self.log)
        old.unlink(missing_ok=True)
        self.log, self.inputs = log, 0

    def record(self, entry: Input) -> None:
        """Append an input to the log; the reply may be sent after this returns."""
        content = pickle.dumps(entry)
        os.write(self.log, len(content).to_bytes(_LENGTH_BYTES, "big") + content)
        self.inputs += 1
        if self.inputs >= INPUTS_A_LOG:
            self.save()

    def close(self) -> None:
        """Save and stop recording."""
        self.simulator.recorder = None
        self.save()
        os.close(self.log)


@cache
def shape() -> bytes:
    """Return the line that names the venues and the fields of everything a state file holds."""
    classes = dict.fromkeys([*_classes(Snapshot), *_classes(Input)])
    rows = [f"{kind.__name__}({','.join(f.name for f in fields(kind))})" for kind in classes]
    digest = hashlib.sha256(";".join([*VENUES, *rows]).encode()).hexdigest()[:16]
    return f"kimp simulator state {digest}\n".encode()


def _classes(kind: type) -> Iterator[type]:
    """Walk the dataclasses that a dataclass holds, itself first, each once."""
    waiting, seen = [kind], set[type]()
    while waiting:
        current = waiting.pop()
        if is_dataclass(current) and current not in seen:
            seen.add(current)
            yield current
            waiting += get_type_hints(current).values()
        waiting += get_args(current)


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read_log(path: Path) -> list[Input]:
    """Return the inputs of a log; a torn last one was never replied to and is left out."""
    content = path.read_bytes() if path.exists() else b""
    entries, at = [], 0
    while at + _LENGTH_BYTES <= len(content):
        end = at + _LENGTH_BYTES + int.from_bytes(content[at : at + _LENGTH_BYTES], "big")
        if end > len(content):
            break
        entries.append(pickle.loads(content[at + _LENGTH_BYTES : end]))  # noqa: S301  as above
        at = end
    return entries
