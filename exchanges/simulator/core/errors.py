"""What goes wrong inside the simulated venues."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchanges.simulator.core.values import Reply


class InvariantViolationError(Exception):
    """Money appeared, vanished or went below zero: the simulator is wrong, stop and mend it."""


class UnavailableError(Exception):
    """There is nothing true to show now; the text says where to look instead."""


class RefusalError(Exception):
    """The venue says no; carries the reply that says so. Nothing was applied."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply."""
        super().__init__(f"refused with HTTP {reply.status}")
        self.reply = reply
