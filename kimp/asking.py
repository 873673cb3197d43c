"""Asks in a thread of its own what may never be answered: who asks goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Asked:
    """A question under way; None is the answer of one that raises."""

    def __init__(self, question: Callable[[], str | None]) -> None:
        self.answer: str | None = None
        self._question = question
        # A daemon: the process ends although nobody answers.
        self._thread = threading.Thread(target=self._ask, name="asking", daemon=True)
        self._thread.start()

    @property
    def is_answered(self) -> bool:
        """Say whether it is over."""
        return not self._thread.is_alive()

    def _ask(self) -> None:
        self.answer = self._question()
