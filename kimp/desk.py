"""What a desk is made of: its children, their ports and their environments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from exchanges.simulator.core.scenarios.play import DEFAULT
from kimp import environment
from kimp.children import ChildSpec
from kimp.environment import Environment, SettingsError
from kimp.environment_table import PORTS, ROLES
from kimp.sockets import is_forbidden, is_free

PROJECT = Path(__file__).resolve().parent.parent
# Of one role, or of this very process: a child finds its own.
_NOT_INHERITED = ("KIMP_ROLE", "KIMP_PORT", "KIMP_SESSION_ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How the simulated venues run; `None` leaves it to `manage.py simulator`.

    `live_books`: take the books from the venues' public feeds, or from where `VENUE=URL` says.
    """

    seed: int
    speed: int  # market, chain and rate seconds per second
    stretch: str | None
    scenario: str
    control_port: int
    state: Path
    data: Path | None = None
    live_books: tuple[str, ...] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports by what serves there."""
        names = ("simulator", "Upbit", "Binance", "Bithumb")
        return {name: self.control_port + number for number, name in enumerate(names)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePlan:
    """One role: where it serves and what it inherits."""

    role: str
    port: int
    environment: Mapping[str, str]


def plans(extra: Mapping[str, str], first_port: int | None = None) -> dict[str, RolePlan]:
    """Read the settings of every role as its process will; raises SettingsError with all problems.

    A KIMP_PORT in this process's environment is the web role's. With `first_port` the roles take
    that port and the next ones, in the order of ROLES, and the simulator those after them.
    """
    base = {name: text for name, text in os.environ.items() if name not in _NOT_INHERITED}
    base |= {"PYTHONUNBUFFERED": "1", **extra}
    if first_port is not None:
        base["KIMP_SIMULATOR_URL"] = f"http://127.0.0.1:{first_port + len(ROLES)}"
    found, problems = {}, list[str]()
    for index, role in enumerate(ROLES):
        child = base | {"KIMP_ROLE": role}
        if first_port is not None:
            child["KIMP_PORT"] = str(first_port + index)
        elif role == "web" and "KIMP_PORT" in os.environ:
            child["KIMP_PORT"] = os.environ["KIMP_PORT"]
        try:
            found[role] = _plan(role, child)
            # Links in alerts of every role lead to the web role.
            base.setdefault("KIMP_PUBLIC_URL", found[role].environment["KIMP_PUBLIC_URL"])
        except SettingsError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise SettingsError(problems)
    return found


def _plan(role: str, child: dict[str, str]) -> RolePlan:
    loaded = environment.load(PROJECT, child)
    port = _port(loaded, role)
    child["KIMP_PUBLIC_URL"] = loaded.text("KIMP_PUBLIC_URL") or f"http://127.0.0.1:{port}"
    return RolePlan(role=role, port=port, environment=child)


def _port(loaded: Environment, role: str) -> int:
    return loaded.count("KIMP_PORT", PORTS[role])


def taken_ports(roles: Mapping[str, RolePlan], simulation: Simulation | None) -> list[str]:
    """Return one sentence for each port that somebody else has."""
    wanted = {role: plan.port for role, plan in roles.items()}
    wanted |= simulation.ports if simulation else {}
    return [_sentence(name, port) for name, port in wanted.items() if not is_free(port)]


def _sentence(name: str, port: int) -> str:
    if name in ROLES:
        cure = f"set KIMP_PORT in .env.{name}"
    else:
        cure = "set KIMP_SIMULATOR_URL (it takes that port and the next three)"
    why = "is not for this user" if is_forbidden(port) else "is taken: end what uses it"
    return f"Port {port} ({name}) {why}, {cure}, or name other ports for all: manage.py up --first-port 20000."


def simulation_of_settings(
    *,
    seed: int = 7,
    speed: int = 60,
    stretch: str | None = "crash-2024-12-03",
    scenario: str = DEFAULT,
    control_url: str | None = None,
    data: Path | None = None,
    live_books: tuple[str, ...] | None = None,
) -> Simulation | None:
    """Return the simulation that the settings ask for; None for a live desk."""
    if settings.KIMP_LIVE:
        return None
    url = control_url or settings.KIMP_SIMULATOR_URL
    return Simulation(
        seed=seed,
        speed=speed,
        stretch=stretch,
        scenario=scenario,
        control_port=urlsplit(url).port or 18080,
        state=settings.KIMP_HOME / "simulator.state",
        data=data,
        live_books=live_books,
    )


def simulator(simulation: Simulation, base: RolePlan) -> ChildSpec:
    """Describe the process that plays the venues; its state outlives it."""
    ports = simulation.ports
    options = {
        "seed": simulation.seed,
        "speed": simulation.speed,
        "stretch": simulation.stretch,
        "scenario": simulation.scenario,
        "control-port": ports["simulator"],
        "upbit-port": ports["Upbit"],
        "binance-port": ports["Binance"],
        "bithumb-port": ports["Bithumb"],
        "state": simulation.state,
        "data": simulation.data,
    }
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    if simulation.live_books is not None:
        words += ["--live-books", *simulation.live_books]
    return ChildSpec(
        name="simulator",
        arguments=manage("simulator", *words),
        environment=base.environment,
        ends_last=True,
    )


def roles(
    found: Mapping[str, RolePlan], is_queue_wedged: Callable[[float], str | None]
) -> Iterator[ChildSpec]:
    """Describe the processes of the desk itself."""
    for role in ("feeder", "initiator", "finalizer"):
        yield ChildSpec(name=role, arguments=manage(role), environment=found[role].environment)
    yield ChildSpec(
        name="worker",
        arguments=manage("qcluster"),
        environment=found["worker"].environment,
        is_wedged=is_queue_wedged,
    )
    web = found["web"]
    yield ChildSpec(name="web", arguments=_gunicorn(web.port), environment=web.environment)


def manage(*words: str) -> tuple[str, ...]:
    """Return the command line of a management command."""
    return (sys.executable, str(PROJECT / "manage.py"), *words)


def _gunicorn(port: int) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "gunicorn", "kimp.wsgi:application",
        f"--chdir={PROJECT}", f"--bind=127.0.0.1:{port}", "--workers=1", "--threads=8",
        "--graceful-timeout=4", "--no-control-socket", "--log-level=warning",
        "--logger-class=kimp.gunicorn_logger.Logger",
    )  # fmt: skip
