"""Plays a scenario in a world: its rules in force, its spells begun and ended at their market instants.

Spells are events like any other: planned with the world, kept in its state file, the same for the same
seed. Rules are put in force anew when a kept world is taken up again, counted from nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from exchanges.simulator.core import changes
from exchanges.simulator.core.scenarios.library import played, scenario
from exchanges.simulator.core.scenarios.play import Play
from exchanges.simulator.core.scenarios.scenario import Act, RuleSpec, Spell
from exchanges.simulator.core.timeline import Event
from exchanges.simulator.core.world import Settings, World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

BEGIN, END = "spell_begins", "spell_ends"
LABEL = "scenario"


def settings_for(name: str) -> Settings:
    """Return the settings of a scenario; raise UnknownScenarioError for one that is unknown."""
    settings = Settings()
    for setting, value in scenario(name).settings.items():
        # Each world has its own of what can be changed within.
        setattr(settings, setting, dict(value) if isinstance(value, dict) else value)
    return settings


def begin(simulator: Simulator) -> None:
    """Put the scenario of a new world on stage."""
    _put_rules(simulator, played(simulator.world.play.scenario).rules, LABEL)
    for index in range(len(_spells(simulator.world))):
        _plan_next(simulator.world, index, 0)


def adopt(simulator: Simulator, name: str) -> None:
    """Let a world go on with another scenario: what the present one changed for a while is undone."""
    settings, world = settings_for(name), simulator.world
    for index in sorted(world.play.running):
        _end(simulator, index)
    simulator.faults.lift(LABEL)
    world.settings = settings
    simulator.limiter.is_on = settings.has_limits
    world.play = Play(scenario=name, number=world.play.number + 1, since_market_ms=world.market_ms)
    world.fact("scenario", name=name)
    begin(simulator)


def take_up(simulator: Simulator) -> None:
    """Put in force what a world that was kept has of its scenario's rules now."""
    world = simulator.world
    simulator.faults.lift(LABEL)
    _put_rules(simulator, played(world.play.scenario).rules, LABEL)
    for index in sorted(world.play.running):
        _put_rules(simulator, _spells(world)[index].rules, _label(index))


def happen(simulator: Simulator, event: Event) -> bool:
    """Do what was planned here; False for an event of another kind."""
    if event.kind not in {BEGIN, END}:
        return False
    world, index = simulator.world, int(event.subject)
    if event.generation == world.play.number:
        if event.kind == BEGIN:
            _begin(simulator, index)
        else:
            _end(simulator, index)
    return True


def _spells(world: World) -> tuple[Spell, ...]:
    return played(world.play.scenario).spells


def _begin(simulator: Simulator, index: int) -> None:
    world = simulator.world
    spell, play = _spells(world)[index], world.play
    play.running.add(index)
    play.begun[index] += 1
    world.fact("spell_began", does=spell.does, number=play.begun[index])
    _do(world, spell.begins)
    _put_rules(simulator, spell.rules, _label(index))
    world.agenda.plan(world.market_ms + spell.lasts_s * 1000, END, str(index), play.number)


def _end(simulator: Simulator, index: int) -> None:
    world = simulator.world
    spell, play = _spells(world)[index], world.play
    play.running.discard(index)
    _do(world, spell.ends)
    simulator.faults.lift(_label(index))
    world.fact("spell_ended", does=spell.does, number=play.begun[index])
    if spell.every_s:
        _plan_next(world, index, play.begun[index])


def _plan_next(world: World, index: int, occurrence: int) -> None:
    spell, play = _spells(world)[index], world.play
    at_ms = play.since_market_ms + (spell.first_s + occurrence * spell.every_s) * 1000
    if occurrence:
        at_ms += _stray_ms(world.seed, spell, index, occurrence)
    world.agenda.plan(max(at_ms, world.market_ms), BEGIN, str(index), play.number)


def _stray_ms(seed: int, spell: Spell, index: int, occurrence: int) -> int:
    """Draw how much later than its hour a spell comes: at most half of the quiet time."""
    most_ms = (spell.every_s - spell.lasts_s) * 500
    digest = hashlib.sha256(f"spell:{seed}:{index}:{occurrence}".encode()).digest()
    return most_ms * int.from_bytes(digest[:4], "big") >> 32


def _label(index: int) -> str:
    return f"{LABEL}/{index}"


def _put_rules(simulator: Simulator, rules: tuple[RuleSpec, ...], label: str) -> None:
    for rule in rules:
        simulator.faults.add({**rule, "label": label})


def _do(world: World, acts: tuple[Act, ...]) -> None:
    for act in acts:
        with suppress(KeyError):  # this stretch has no such market or network
            ACTS[act.verb](world, act.spec)


ACTS: Mapping[str, Callable[[World, changes.Spec], object]] = {
    "maintenance": changes.change_maintenance,
    "wallet": changes.change_wallet,
    "skew": changes.change_skew,
    "network": changes.change_network,
}
