"""What a desk is made of: its children, their ports and their environments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from kimp import environment
from kimp.children import ChildSpec
from kimp.environment import Environment
from kimp.environment_table import PORTS, ROLES
from kimp.sockets import is_free

PROJECT = Path(__file__).resolve().parent.parent
# Of one role, or of this very process: a child finds its own.
_NOT_INHERITED = ("KIMP_ROLE", "KIMP_PORT", "KIMP_SESSION_ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How the simulated venues run."""

    seed: int
    speed: int  # market, chain and rate seconds per second
    stretch: str
    control_port: int
    state: Path

    @property
    def ports(self) -> dict[str, int]:
        """The ports by what serves there."""
        control = self.control_port
        return {"simulator": control, "Upbit": control + 1, "Binance": control + 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePlan:
    """One role: where it serves and what it inherits."""

    role: str
    port: int
    environment: Mapping[str, str]


def plans(extra: Mapping[str, str]) -> dict[str, RolePlan]:
    """Read the settings of every role as its process will; raises SettingsError of the first bad.

    A KIMP_PORT in this process's environment is the web role's.
    """
    base = {name: text for name, text in os.environ.items() if name not in _NOT_INHERITED}
    found = {}
    for role in ROLES:
        child = base | {"KIMP_ROLE": role, "PYTHONUNBUFFERED": "1"} | dict(extra)
        if role == "web" and "KIMP_PORT" in os.environ:
            child["KIMP_PORT"] = os.environ["KIMP_PORT"]
        loaded = environment.load(PROJECT, child)
        found[role] = RolePlan(role=role, port=_port(loaded, role), environment=child)
    return found


def _port(loaded: Environment, role: str) -> int:
    return loaded.count("KIMP_PORT", PORTS[role])


def taken_ports(roles: Mapping[str, RolePlan], simulation: Simulation | None) -> list[str]:
    """Return one sentence for each port that somebody else has."""
    wanted = {role: plan.port for role, plan in roles.items()}
    wanted |= simulation.ports if simulation else {}
    return [_sentence(name, port) for name, port in wanted.items() if not is_free(port)]


def _sentence(name: str, port: int) -> str:
    if name in ROLES:
        file = ".env" if name == "web" else f".env.{name}"
        cure = f"set KIMP_PORT in {file}"
    else:
        cure = "set KIMP_SIMULATOR_URL (it takes that port and the next two)"
    return f"Port {port} ({name}) is taken: end what uses it, or {cure}."


def simulation_of_settings(
    *, seed: int = 7, speed: int = 60, stretch: str = "crash-2024-12-03"
) -> Simulation | None:
    """Return the simulation that the settings ask for; None for a live desk."""
    if settings.KIMP_LIVE:
        return None
    return Simulation(
        seed=seed,
        speed=speed,
        stretch=stretch,
        control_port=urlsplit(settings.KIMP_SIMULATOR_URL).port or 18080,
        state=settings.KIMP_HOME / "simulator.state",
    )


def simulator(simulation: Simulation, base: RolePlan) -> ChildSpec:
    """Describe the process that plays the venues; its state outlives it."""
    ports = simulation.ports
    options = {
        "seed": simulation.seed,
        "speed": simulation.speed,
        "stretch": simulation.stretch,
        "control-port": ports["simulator"],
        "upbit-port": ports["Upbit"],
        "binance-port": ports["Binance"],
        "state": simulation.state,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return ChildSpec(
        name="simulator",
        arguments=_manage("simulator", *words),
        environment=base.environment,
    )


def roles(
    found: Mapping[str, RolePlan], is_queue_wedged: Callable[[float], str | None]
) -> Iterator[ChildSpec]:
    """Describe the processes of the desk itself."""
    for role in ("feeder", "initiator", "finalizer"):
        yield ChildSpec(name=role, arguments=_manage(role), environment=found[role].environment)
    yield ChildSpec(
        name="worker",
        arguments=_manage("qcluster"),
        environment=found["worker"].environment,
        is_wedged=is_queue_wedged,
    )
    web = found["web"]
    yield ChildSpec(name="web", arguments=_gunicorn(web.port), environment=web.environment)


def _manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(PROJECT / "manage.py"), *words)


def _gunicorn(port: int) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "gunicorn", "kimp.wsgi:application",
        f"--chdir={PROJECT}", f"--bind=127.0.0.1:{port}", "--workers=1", "--threads=8",
        "--graceful-timeout=4", "--no-control-socket", "--log-level=warning",
        "--logger-class=kimp.gunicorn_logger.Logger",
    )  # fmt: skip
