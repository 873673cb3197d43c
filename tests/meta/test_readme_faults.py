"""The faults that README plants meet what they are said to meet."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest

from cycles.domain.plan import client_order_id, outbound_steps, return_steps
from cycles.domain.words import Passage, StepKind
from exchanges.simulator.core.faults import Faults
from exchanges.simulator.core.values import Request

README = Path(__file__).resolve().parents[2] / "README.md"
VENUES = {"global_venue": "binance", "korea_venue": "upbit", "network": "N"}


@pytest.mark.parametrize("out", ["XRP", "USDT"])
@pytest.mark.parametrize("home", ["XRP", "USDT"])
def test_the_first_fault_meets_the_order_that_begins_a_way_home_whatever_went_out(
    out: str, home: str
) -> None:
    faults = Faults()
    faults.add(_first_fault())
    steps = (*outbound_steps(out, **VENUES), *return_steps(home, **VENUES))
    (position,) = [
        number
        for number, step in enumerate(steps, start=1)
        if (step.passage, step.kind) == (Passage.RETURN, StepKind.BUY)
    ]
    order = {
        "side": "bid",
        "identifier": client_order_id(uuid.uuid4(), position=position, attempt=2),
    }
    request = Request(
        venue="upbit", method="POST", path="/v1/orders", query="", headers={},
        body=json.dumps(order).encode(),
    )  # fmt: skip
    assert faults.rules[0].matches(request)


def _first_fault() -> dict[str, object]:
    found = re.search(r"/control/faults -d '(\{.*?\})'", README.read_text("utf-8"), re.DOTALL)
    assert found is not None
    fault: dict[str, object] = json.loads(found[1])
    return fault
