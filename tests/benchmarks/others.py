"""Our durable steps beside procrastinate's no-op jobs and DBOS' no-op steps: one run, one server, a database for each.

The others run in an environment of their own (`.venv-others`, which `make bench` makes), as their documents say to, with their
defaults. Each round takes all of them in turn, so that a busy minute of the machine does not hit one alone.
"""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from tests.benchmarks import in_flight, place
from tests.benchmarks.children import together
from tests.benchmarks.findings import PROJECT, Figure, Findings, median
from tests.benchmarks.in_flight import Flight

ENVIRONMENT = PROJECT / ".venv-others"
READY = ENVIRONMENT / ".kimp-ready"
PYTHON = str(ENVIRONMENT / "bin" / "python")
NAME = "durable steps beside others"
SETTINGS: dict[str, LiteralString] = {
    "synchronous_commit": "SHOW synchronous_commit",
    "fsync": "SHOW fsync",
}
MISSING = "procrastinate and DBOS are not installed: run `make bench ARGS=others`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many processes of another product there are, and how much each has in hand at once."""

    processes: int
    at_once: int

    def __str__(self) -> str:
        return f"processes: {self.processes}, at once in each: {self.at_once}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Another product: what one unit of its work is, in how many steps, and how to count those that were done."""

    name: str
    module: str
    steps: str
    steps_a_unit: int
    count: LiteralString
    aim: str


PROCRASTINATE = Product(
    name="procrastinate",
    module="tests.benchmarks.foreign.procrastinate_jobs",
    steps="no-op jobs",
    steps_a_unit=1,
    count="SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    aim="ratio >= 5",
)
DBOS = Product(
    name="dbos",
    module="tests.benchmarks.foreign.dbos_steps",
    steps="no-op steps, two a workflow",
    steps_a_unit=2,
    count=(
        "SELECT count(*) FROM dbos.operation_outputs o JOIN dbos.workflow_status w USING (workflow_uuid) "
        "WHERE w.status = 'SUCCESS'"
    ),
    aim="ratio >= 10",
)
SHAPES = (
    Shape(processes=1, at_once=1),
    Shape(processes=1, at_once=10),
    Shape(processes=2, at_once=1),
    Shape(processes=2, at_once=10),
)
FLIGHTS = (
    Flight(processes=1, threads=50, is_within=True, times=5),
    Flight(processes=2, threads=1, is_within=True),
    Flight(processes=2, threads=50, is_within=True, times=5),
    Flight(processes=2, threads=50, times=2),
)


@dataclass(slots=True)
class Rival:
    """A product in its database: the rates seen so far, by shape."""

    product: Product
    units: int
    url: str
    version: str
    rates: dict[Shape, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def named(self) -> str:
        return f"{self.product.name} {self.version}, {self.product.steps}"

    def best(self) -> tuple[Shape, float]:
        """Give the shape that suits it best, and its rate: what we are held against."""
        rates = {shape: median(rates) for shape, rates in self.rates.items()}
        return max(rates.items(), key=lambda item: item[1])

    def work(self, shape: Shape) -> None:
        """Let its processes go at once, and refuse a rate of work that was not done."""
        before = self.done()
        share = self.units // shape.processes
        results = _processes(self.product, self.url, units=share, shape=shape)
        steps = share * shape.processes * self.product.steps_a_unit
        assert self.done() - before == steps, (self.named, shape)
        self.rates[shape].append(steps / max(float(one["seconds"]) for one in results))

    def done(self) -> int:
        """Count its steps that are done."""
        return int(_ask(self.url, self.product.count))


def run(
    *, cycles: int, jobs: int, workflows: int, rounds: int,
    shapes: Sequence[Shape] = SHAPES, flights: Sequence[Flight] = FLIGHTS, ready: Path = READY,
) -> Findings:  # fmt: skip
    """Measure all three, in turn; without the environment of the others nothing, and it says so."""
    if not ready.exists():
        print(MISSING, file=sys.stderr)
        return Findings(name=NAME, figures=(), work={"not run": MISSING})
    ours: dict[Flight, list[float]] = defaultdict(list)
    done: dict[str, list[Any]] = defaultdict(list)
    with _rival(PROCRASTINATE, jobs) as procrastinate, _rival(DBOS, workflows) as dbos:
        rivals = (procrastinate, dbos)
        for _ in range(rounds):
            for rival in rivals:
                for shape in shapes:
                    rival.work(shape)
            for flight in flights:
                rate, work_done = _our_rate(flight, cycles)
                ours[flight].append(rate)
                done[str(flight)] += work_done
        figures = (*_their_figures(rivals), *_our_figures(ours, rivals))
        flown = [cycles * flight.times for flight in flights]
        work = {"cycles": flown, "rounds": rounds, "ours": done} | _work(rivals)
    return Findings(name=NAME, figures=figures, work=work)


@contextlib.contextmanager
def _rival(product: Product, units: int) -> Iterator[Rival]:
    """Give a product its database, with its tables: processes that begin together would make them together."""
    with place.beside(product.name) as url:
        (told,) = _processes(product, url, units=0, shape=SHAPES[0])
        yield Rival(product=product, units=units, url=url, version=told["version"])


def _processes(product: Product, url: str, *, units: int, shape: Shape) -> list[dict[str, Any]]:
    spec = {"url": url, "units": units, "at_once": shape.at_once}
    return together(product.module, [spec] * shape.processes, {}, PYTHON)


def _our_rate(flight: Flight, cycles: int) -> tuple[float, list[Any]]:
    """Let our workers drive new cycles through two steps each, at a venue that answers at once; gives what was done too."""
    found = in_flight.run(cycles=cycles, flights=(flight,))
    (rate,) = (figure.value for figure in found.figures if figure.what == in_flight.WHOLE)
    return rate, found.work["done"][str(flight)]


def _their_figures(rivals: Sequence[Rival]) -> Iterator[Figure]:
    for rival in rivals:
        for shape, rates in rival.rates.items():
            yield Figure(what=f"{rival.named}, {shape}", value=median(rates), unit="1/s")


def _our_figures(ours: dict[Flight, list[float]], rivals: Sequence[Rival]) -> Iterator[Figure]:
    """Hold each of our flights against the best that each of the others did in this run."""
    for flight, rates in ours.items():
        for rival in rivals:
            shape, rate = rival.best()
            yield Figure(
                what=f"our durable steps, {flight}", value=median(rates), unit="1/s",
                reference=f"{rival.product.name}, {shape}", reference_value=rate, aim=rival.product.aim,
            )  # fmt: skip


def _work(rivals: Sequence[Rival]) -> dict[str, Any]:
    """Say what was done, by which versions, and that every commit of it was durable."""
    urls = {"kimp": place.database_url()} | {rival.product.name: rival.url for rival in rivals}
    flags = {
        name: {whose: _ask(url, query) for whose, url in urls.items()}
        for name, query in SETTINGS.items()
    }
    assert set(flags["synchronous_commit"].values()) == {"on"}, flags
    versions = {rival.product.name: rival.version for rival in rivals}
    steps = {rival.product.name: rival.done() for rival in rivals}
    return flags | {"versions": versions, "steps done": steps}


def _ask(url: str, query: LiteralString) -> Any:
    with psycopg.connect(url) as line:
        row: Any = line.execute(query).fetchone()
    return row[0]
