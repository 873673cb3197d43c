"""Why the desk opens no cycle whatever the market offers: its policy, and what is out already, leave no room."""

from __future__ import annotations

from dataclasses import replace

from cycles.domain.decision import Exposure, general_objections, sized_notional
from cycles.domain.money import ZERO
from cycles.errors import NotFoundError
from cycles.services import desk, opening
from exchanges.sentences import Sentence


def why() -> tuple[Sentence, ...]:
    """Give every reason of now; none on a desk without a policy."""
    return _against(opening.exposure())


def why_for_good() -> tuple[Sentence, ...]:
    """Give the reasons that stay when everything has come home and another day has begun."""
    out = opening.exposure()
    home = replace(
        out,
        open_cycles=0,
        open_by_asset={},
        usdt=ZERO,
        usdt_by_asset={},
        free_usdt=out.free_usdt + out.usdt,
        pnl_today_usdt=ZERO,
    )
    return _against(home)


def _against(out: Exposure) -> tuple[Sentence, ...]:
    try:
        limits = desk.limits(desk.current_policy())
    except NotFoundError:
        return ()
    return general_objections(limits, out, sized_notional(limits, out.free_usdt))
