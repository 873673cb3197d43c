"""The table of the simulator's scenarios, from the same data that they are played from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from exchanges.simulator.core.scenarios.library import SCENARIOS
from exchanges.simulator.core.scenarios.scenario import RuleSpec, Scenario, Spell

HEADINGS = ("scenario", "what it is", "settings", "goes wrong by chance", "comes and goes")
NAMED = "refusals"  # rules of no named fault: their scenario tells what they answer


def rows() -> Iterator[tuple[str, ...]]:
    """Give a row for each scenario."""
    for one in SCENARIOS.values():
        yield (
            f"`{one.name}`",
            one.about,
            ", ".join(f"`{name}` {_shown(value)}" for name, value in one.settings.items()),
            ", ".join(_chances(one)),
            "; ".join(_told(spell) for spell in one.spells),
        )


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{venue} {item}" for venue, item in value.items()) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _chances(scenario: Scenario) -> Iterator[str]:
    """Give each fault once, with the chance of a request that it concerns."""
    chances: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for rule in scenario.rules:
        chances[_named(rule)][str(rule.get("venue", ""))] += _chance(rule)
    for name, by_venue in chances.items():
        percent = f"{max(by_venue.values()) * 100:f}".rstrip("0").rstrip(".")
        yield f"{name} {percent} %" if percent else name


def _named(rule: RuleSpec) -> str:
    """Name a rule by its fault, and by what it does where that is not the fault's usual."""
    if "fault" not in rule:
        return NAMED
    return f"`{rule['fault']}`" + (f" ({rule['action']})" if "action" in rule else "")


def _chance(rule: RuleSpec) -> Decimal:
    when = rule.get("when")
    return Decimal(str(when["prob"])) if isinstance(when, dict) and "prob" in when else Decimal(0)


def _told(spell: Spell) -> str:
    return f"{spell.does}, {_minutes(spell.lasts_s)} every {_minutes(spell.every_s)}"


def _minutes(seconds: int) -> str:
    minutes = seconds // 60
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
