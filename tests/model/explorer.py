"""Explores every state that a small model can reach, breadth first: a counterexample is a shortest one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Moves = Callable[[S], Iterable[tuple[str, S]]]
Claim = Callable[[S], bool]


@dataclass(slots=True)
class Exploration(Generic[S]):
    """All states reached, how each was first reached, and the first that breaks each claim."""

    first: S
    came_from: dict[S, tuple[str, S] | None] = field(default_factory=dict)
    leads_from: dict[S, list[S]] = field(default_factory=dict)
    broken: dict[str, S] = field(default_factory=dict)

    def story(self, state: S) -> list[str]:
        """Tell the shortest way to a state, a line an action."""
        told: list[str] = []
        step = self.came_from[state]
        while step is not None:
            told.append(step[0])
            step = self.came_from[step[1]]
        return told[::-1]

    def stuck(self, is_end: Claim[S]) -> list[S]:
        """Give the states from which no end can be reached any more, whatever happens."""
        safe = {state for state in self.came_from if is_end(state)}
        waiting = deque(safe)
        while waiting:
            for before in self.leads_from[waiting.popleft()]:
                if before not in safe:
                    safe.add(before)
                    waiting.append(before)
        return [state for state in self.came_from if state not in safe]


def explore(first: S, moves: Moves[S], claims: Mapping[str, Claim[S]]) -> Exploration[S]:
    """Reach every state; a state that breaks a claim is kept, and not gone on from."""
    found = Exploration(first=first)
    found.came_from[first] = None
    found.leads_from[first] = []
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        for name in _broken(state, claims):
            found.broken.setdefault(name, state)
        if found.broken:
            return found
        for action, after in moves(state):
            ways = found.leads_from.get(after)
            if ways is not None:
                ways.append(state)
                continue
            found.leads_from[after] = [state]
            found.came_from[after] = (action, state)
            waiting.append(after)
    return found


def _broken(state: S, claims: Mapping[str, Claim[S]]) -> Iterator[str]:
    return (name for name, holds in claims.items() if not holds(state))
