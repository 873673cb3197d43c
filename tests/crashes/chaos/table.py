"""The document of a storm, as people read it."""

from __future__ import annotations

from typing import Any

from kimp.documents.storms import listed

LINES = (
    "kills", "seen", "server", "cycles in Korea", "cycles", "requests", "outcomes", "dead letters explained",
    "interventions", "alerts", "messages", "ended by themselves", "pauses lifted",
    "people had to try again",
)  # fmt: skip


def table(told: dict[str, Any]) -> str:
    """Write acts, figures, claims."""
    acts = [f"| {name}: {told['does'][name]} | {count} |" for name, count in told["acts"].items()]
    figures = [f"{name}: {listed(told[name])}" for name in LINES]
    last = (
        f"revision {told['revision']}, seed {told['seed']}, {told['seconds']} s, {told['processes']} processes, "
        f"{sum(told['kills'].values())} kills, {sum(told['cycles'].values())} cycles"
    )
    lines = ["| what | how often |", "|---|---|", *acts, "", *figures, "", *_claims(told), last]
    return "\n".join(lines)


def _claims(told: dict[str, Any]) -> list[str]:
    lines = []
    for name, claim in told["claims"].items():
        counted = {word: n for word, n in claim.items() if word not in {"holds", "problems"}}
        lines.append(f"{'holds' if claim['holds'] else 'FAILS'}: {name} ({listed(counted)})")
        lines += [f"    {problem}" for problem in claim["problems"][:20]]
    return lines
