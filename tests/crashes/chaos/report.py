"""What a storm was made of and what held after it, as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cycles.models import Alert, Cycle, ExchangeCall, Intervention, Transition
from tests.crashes.chaos import sessions
from tests.crashes.chaos.acts import ACTS
from tests.crashes.chaos.claims import Claim
from tests.crashes.chaos.storm import Storm


def document(storm: Storm, claims: Sequence[Claim], *, seconds: float) -> dict[str, Any]:
    """Give all figures; each is counted after the storm."""
    died = Transition.objects.filter(to_status="DEAD_LETTER")
    return {
        "seed": storm.script.seed,
        "seconds": round(seconds),
        "seconds of storm": round(storm.raged_seconds),
        "processes": len(storm.script.roles) + 1,
        "acts": {name: storm.done[name] for name in storm.script.acts},
        "does": {name: ACTS[name].does for name in storm.script.acts},
        "kills": _counted(storm.killed.elements()),
        "ended by themselves": dict(storm.desk.ended_by_themselves),
        "their last words": storm.desk.last_words,
        "seen": dict(sorted(storm.seen.items())) | dict(sorted(storm.sessions.seen.items())),
        "server": sessions.said_by_server(storm.server_home) if storm.server_home else {},
        "cycles in Korea": _counted(Cycle.objects.values_list("korea_venue", flat=True)),
        "cycles": _counted(Cycle.objects.values_list("status", flat=True)),
        "requests": _counted(ExchangeCall.objects.values_list("operation", flat=True)),
        "outcomes": _counted(ExchangeCall.objects.values_list("outcome", flat=True)),
        "leases of one cycle, at most": max(
            Cycle.objects.values_list("fence", flat=True), default=0
        ),
        "dead letters explained": _counted(
            event.partition(":")[2] for event in died.values_list("event", flat=True)
        ),
        "interventions": _counted(Intervention.objects.values_list("verb", flat=True)),
        "halts": storm.operators.halts,
        "pauses lifted": dict(storm.operators.pauses),
        "alerts": _counted(Alert.objects.values_list("state", flat=True)),
        "messages": {"taken": storm.channel.taken.total(), **storm.channel.turned_away},
        "people had to try again": dict(storm.trader.met + storm.operators.met),
        "claims": {
            claim.name: {"holds": claim.holds, **claim.counted, "problems": list(claim.problems)}
            for claim in claims
        },
    }


def _counted(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
