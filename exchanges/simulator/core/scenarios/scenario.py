"""What a scenario is: settings, fault rules by chance, and spells that come and go by the market clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RuleSpec = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One change of the world: `verb` is a control path's last word, `spec` what would be posted there."""

    verb: str
    spec: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A trouble that lasts a while and comes again, by the market clock from the scenario's start.

    `every_s` 0: once. A later one strays by the seed, at most until half of what is left before the
    next. `rules` are in force meanwhile.
    """

    does: str
    first_s: int
    lasts_s: int
    every_s: int = 0
    begins: tuple[Act, ...] = ()
    ends: tuple[Act, ...] = ()
    rules: tuple[RuleSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One setting of the stage. `settings` by name, `rules` as `POST /control/faults` takes them."""

    name: str
    about: str
    settings: Mapping[str, object] = field(default_factory=dict)
    rules: tuple[RuleSpec, ...] = ()
    spells: tuple[Spell, ...] = ()
