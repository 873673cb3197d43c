"""The accounts of the venue simulator: it names them itself, keys and all."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from exchanges import conf
from exchanges.errors import NotSentError, OutcomeUnknownError
from exchanges.transport.plain import get_json

FRESH_SECONDS = 60
CONTROL_SECONDS = 5


class SimulatedAccounts:
    """What the simulator last said, asked again once a minute while it answers; for any thread."""

    def __init__(self, venues: Sequence[str]) -> None:
        self._venues = venues
        self._guard = threading.Lock()
        self._known: dict[str, conf.AccountSettings] | None = None
        self._fetched_at = 0.0

    def account(self, code: str) -> conf.AccountSettings:
        """Give a venue's account. Raises NotSentError when the simulator has never answered."""
        with self._guard:
            is_fresh = time.monotonic() - self._fetched_at < FRESH_SECONDS
            if self._known is None or not is_fresh:
                try:
                    self._known = self._fetched(code)
                except (NotSentError, OutcomeUnknownError):
                    if self._known is None:
                        raise
                self._fetched_at = time.monotonic()
            return self._known[code]

    def forget(self) -> None:
        """Ask before the next account."""
        with self._guard:
            self._known = None

    def _fetched(self, code: str) -> dict[str, conf.AccountSettings]:
        url = conf.simulator_url()
        told = (
            f"the venue simulator does not answer at {url}: start it with `make up` or "
            "`manage.py simulator`, or set KIMP_SIMULATOR_URL"
        )
        try:
            status, document = get_json(f"{url}/control/accounts", CONTROL_SECONDS)
            rows = document["accounts"] if status == 200 else {}
            is_limited = document.get("limits") is not False if status == 200 else True
            wanted = {code, *(name for name in self._venues if name in rows)}
            return {name: _read(rows, name, is_limited=is_limited) for name in wanted}
        except (NotSentError, OutcomeUnknownError, KeyError, TypeError):
            raise NotSentError(told, venue=code, operation="accounts") from None


def _read(document: Any, name: str, *, is_limited: bool) -> conf.AccountSettings:
    row = document[name]
    return conf.AccountSettings(
        base_url=row["base_url"],
        access=row["access_key"],
        secret=row["secret_key"],
        is_limited=is_limited,
    )
