"""A demonstration inside its place: children, play, proof. Runs under the place's environment."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.management import call_command

from cycles.services import seeding
from kimp import desk, queue_health
from kimp.demo.director import POLICY, Director
from kimp.demo.proof import Proof, prove
from kimp.desk import RolePlan
from kimp.sockets import is_free
from kimp.supervisor import Printer, Supervisor, SupervisorError

PLAY_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to play: the stretch, how fast, and how many cycles."""

    seed: int
    speed: int
    stretch: str
    wanted: int
    is_verbose: bool
    role_ports: tuple[int, ...]


def run(script: Script, say: Callable[[str], None]) -> Proof:
    """Play the script and prove what it did. Raises SupervisorError when the desk does not run."""
    began = time.monotonic()
    call_command("migrate", verbosity=0, interactive=False)
    simulation = desk.simulation_of_settings(
        seed=script.seed, speed=script.speed, stretch=script.stretch
    )
    if simulation is None:
        raise SupervisorError("a demonstration is simulated: unset KIMP_LIVE")
    plans = _with_own_ports(desk.plans({}), script.role_ports)
    printer = Printer(write=_to_stderr if script.is_verbose else _to_nowhere, has_colours=False)
    with Supervisor(settings.KIMP_HOME / "children.json", printer) as group:
        group.start(desk.simulator(simulation, plans["web"]))
        if not group.pump(lambda: not is_free(simulation.control_port), patience_seconds=30):
            raise SupervisorError("The simulator does not start; see it with --verbose.")
        seeding.seed(POLICY)
        call_command("sync_schedules", stdout=io.StringIO())
        director = Director(
            control_url=settings.KIMP_SIMULATOR_URL,
            turn=_turns(group, began + PLAY_SECONDS),
            say=say,
            wanted=script.wanted,
        )
        director.prepare()
        for spec in desk.roles(plans, queue_health.wedged):
            if spec.name != "web":  # headless
                group.start(spec)
        director.play()
        return prove(
            director.control_url,
            redriven=director.redriven,
            seconds=time.monotonic() - began,
        )


def _turns(group: Supervisor, deadline: float) -> Callable[[float], bool]:
    """Give what serves the children for a while and says whether the play goes on."""

    def turn(seconds: float) -> bool:
        group.pump(lambda: False, patience_seconds=seconds)
        return not group.is_ending and time.monotonic() < deadline

    return turn


def _with_own_ports(plans: Mapping[str, RolePlan], ports: tuple[int, ...]) -> dict[str, RolePlan]:
    """Give each role a port of the place's."""
    return {
        role: replace(plan, port=port, environment={**plan.environment, "KIMP_PORT": str(port)})
        for (role, plan), port in zip(plans.items(), ports, strict=False)
    }


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)


def _to_nowhere(_text: str) -> None:
    """Children are quiet unless asked for."""
