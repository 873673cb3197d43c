"""The people at the venues: what is stuck or held is brought to them, and mended after a while.

How long they take is the scenario's (`support_ms`), half more or less by the seed; without it nothing is
mended but by the control port.
"""

from __future__ import annotations

import hashlib

from exchanges.simulator.core.world import World

KIND = "support"
WITHDRAWAL, TRANSACTION = "withdrawal", "transaction"


def ask(world: World, what: str, name: str, generation: int) -> None:
    """Bring a withdrawal (by its id) or a transaction (by its txid) to the venue's support."""
    usual_ms = world.settings.support_ms
    if not usual_ms:
        return
    digest = hashlib.sha256(f"support:{world.seed}:{name}".encode()).digest()
    delay_ms = usual_ms // 2 + (usual_ms * int.from_bytes(digest[:4], "big") >> 32)
    world.agenda.plan(world.market_ms + delay_ms, KIND, f"{what}/{name}", generation)
