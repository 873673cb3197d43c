"""A demonstration inside its place: children, play, proof. Runs under the place's environment."""

from __future__ import annotations

import io
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command

from cycles.services import seeding
from exchanges.simulator.core.scenarios.play import DEFAULT
from kimp import desk, queue_health
from kimp.demo import day, director
from kimp.demo.day import Day
from kimp.demo.day_proof import prove_day
from kimp.demo.director import Director
from kimp.demo.folder import CHILDREN
from kimp.demo.harm import Harm
from kimp.demo.housekeeper import Housekeeper
from kimp.demo.operator import Operator
from kimp.demo.proof import Proof, prove
from kimp.demo.website import Website
from kimp.desk import RolePlan, Simulation
from kimp.sockets import is_free
from kimp.supervisor import Printer, Supervisor, SupervisorError

PLAY_SECONDS = 120
# At worst. What is stuck is set free after hours of the market, and absence proven after a venue's minutes.
DAY_SECONDS, SECONDS_A_CYCLE = 420, 8
OPERATORS_LOOK_AFTER_SECONDS = 900  # of market time


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to play: the stretch, how fast, how many cycles.

    A named scenario, or kills, make it a day with claims of its own instead of the first demonstration.
    """

    seed: int
    speed: int
    stretch: str
    scenario: str | None
    wanted: int
    kills: int
    is_verbose: bool
    role_ports: tuple[int, ...]
    parent: int  # the process that clears away after us; without it the play is over

    @property
    def is_day(self) -> bool:
        """Say whether a day is played, and not the first demonstration."""
        return self.scenario is not None or self.kills > 0


def run(script: Script, say: Callable[[str], None]) -> Proof:
    """Play the script and prove what it did. Raises SupervisorError when the desk does not run."""
    began = time.monotonic()
    call_command("migrate", verbosity=0, interactive=False)
    simulation = desk.simulation_of_settings(
        seed=script.seed,
        speed=script.speed,
        stretch=script.stretch,
        scenario=script.scenario or DEFAULT,
    )
    if simulation is None:
        raise SupervisorError("a demonstration is simulated: unset KIMP_LIVE")
    plans = _with_own_ports(desk.plans({}), script.role_ports)
    printer = Printer(write=_to_stderr if script.is_verbose else _to_nowhere, has_colours=False)
    with Supervisor(settings.KIMP_HOME / CHILDREN, printer) as group:
        _start_venues(group, simulation, plans)
        if script.is_day:
            day.lay_by(settings.KIMP_SIMULATOR_URL)
        seeding.seed(day.POLICY if script.is_day else director.POLICY)
        call_command("sync_schedules", stdout=io.StringIO())
        play = _play_day if script.is_day else _play_first
        return play(script, group, plans, say, began)


def _start_venues(group: Supervisor, simulation: Simulation, plans: Mapping[str, RolePlan]) -> None:
    group.start(desk.simulator(simulation, plans["web"]))
    if not group.pump(lambda: not is_free(simulation.control_port), patience_seconds=30):
        raise SupervisorError("The simulator does not start; see it with --verbose.")


def _play_first(
    script: Script,
    group: Supervisor,
    plans: Mapping[str, RolePlan],
    say: Callable[[str], None],
    began: float,
) -> Proof:
    """Play the demonstration of a few cycles whose fates are sealed."""
    play = Director(
        control_url=settings.KIMP_SIMULATOR_URL,
        turn=_turns(group, began + PLAY_SECONDS, script.parent),
        say=say,
        wanted=script.wanted,
    )
    play.prepare()
    _start_roles(group, plans)
    play.play()
    return prove(play.control_url, redriven=play.redriven, seconds=time.monotonic() - began)


def _play_day(
    script: Script,
    group: Supervisor,
    plans: Mapping[str, RolePlan],
    say: Callable[[str], None],
    began: float,
) -> Proof:
    """Play a day in a scenario."""
    url = settings.KIMP_SIMULATOR_URL
    play = Day(
        control_url=url,
        turn=_turns(group, began + DAY_SECONDS + script.wanted * SECONDS_A_CYCLE, script.parent),
        say=say,
        wanted=script.wanted,
        operator=Operator(
            website=Website(control_url=url),
            patience=timedelta(seconds=max(OPERATORS_LOOK_AFTER_SECONDS / script.speed, 1)),
            say=say,
        ),
        harm=Harm(group=group, wanted=script.kills, source=random.Random(script.seed)),  # noqa: S311
    )
    keeper = Housekeeper(speed=script.speed)
    _start_roles(group, plans)
    keeper.start()
    try:
        play.play()
    finally:
        keeper.stop()
    return prove_day(play, keeper, seconds=time.monotonic() - began)


def _start_roles(group: Supervisor, plans: Mapping[str, RolePlan]) -> None:
    for spec in desk.roles(plans, queue_health.ask):
        if spec.name != "web":  # headless
            group.start(spec)


def _turns(group: Supervisor, deadline: float, parent: int) -> Callable[[float], bool]:
    """Give what serves the children for a while and says whether the play goes on: not once our parent was killed."""

    def turn(seconds: float) -> bool:
        group.pump(lambda: False, patience_seconds=seconds)
        is_alone = os.getppid() != parent
        return not (group.is_ending or is_alone) and time.monotonic() < deadline

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
